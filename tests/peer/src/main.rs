//! `siltstone-c-peer`: C lsm1 behind a line protocol on standard input and output.

use std::io;

fn main() -> io::Result<()> {
    siltstone_peer::serve(io::stdin().lock(), io::stdout().lock())
}
