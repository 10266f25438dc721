"""What goes on the disc: the only room that imports pycdlib and jinja2."""
