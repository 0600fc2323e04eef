//! C lsm1 as a peer.
