//! The table of routes: what is routed is listed, so that a test can hold the list against the OpenAPI document, both ways.

use super::routes::{Shared, wrong_method};
use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::MethodRouter;
use ridethrough_api::{BASE, openapi};
use std::sync::{Arc, LazyLock};

/// It does not change while we run.
static DOCUMENT: LazyLock<String> = LazyLock::new(openapi::text);

type Handler = MethodRouter<Arc<Shared>>;

/// The routes and their list.
#[derive(Default)]
pub(super) struct Routes {
    /// Those that need the token.
    pub(super) guarded: Router<Arc<Shared>>,
    /// Those that do not.
    pub(super) open: Router<Arc<Shared>>,
    /// Method, path, and whether it needs no token.
    pub(super) listed: Vec<(String, String, bool)>,
}

impl Routes {
    /// Below [`BASE`], with token.
    pub(super) fn api(self, method: &str, path: &str, handler: Handler) -> Self {
        self.guarded(method, &format!("{BASE}{path}"), handler)
    }

    /// With token.
    pub(super) fn guarded(mut self, method: &str, path: &str, handler: Handler) -> Self {
        self.listed.push((method.to_owned(), path.to_owned(), false));
        Self { guarded: self.guarded.route(path, handler), ..self }
    }

    /// Without token.
    pub(super) fn open(mut self, method: &str, path: &str, handler: Handler) -> Self {
        self.listed.push((method.to_owned(), path.to_owned(), true));
        let handler = handler.fallback(async || wrong_method());
        Self { open: self.open.route(path, handler), ..self }
    }
}

/// What can be asked here, for programs that write clients.
pub(super) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::routes::routes;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn point_7_openapi_every_route_is_in_the_document_and_the_other_way_round() {
        let served: BTreeSet<_> = routes().listed.into_iter().collect();
        let described: BTreeSet<_> = openapi::operations()
            .into_iter()
            .map(|operation| (operation.method.to_owned(), operation.path, operation.is_open))
            .collect();
        assert_eq!(served, described);
    }
}
