//! What goes over HTTP: DTOs and the typed client.
