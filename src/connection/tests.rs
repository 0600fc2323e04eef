//! Connections: levels, cursors beside writes, private states, codecs.
