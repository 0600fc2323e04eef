//! In-memory world.
