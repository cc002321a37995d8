//! The loop: pollers, performers, journal, HTTP server.
