"""What an administrator does by hand: find, retrieve, move, send, receive; each a file."""
