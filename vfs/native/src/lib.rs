//! Native world.
