/* The one global name of the viewer. Every file after this one adds one property to it and touches
   nothing else; assembly.txt gives the order. Plain classic scripts, because a page that was opened
   from a disc (file://) may load neither modules nor workers by address. The scripts with the data
   call MKISO.manifest, MKISO.series and MKISO.chunk (disc.js, loader.js). */
window.MKISO = { format: 1 };
