//! As much of an OpenAPI document as says what may be asked: OpenAPI 3 and its ancestor Swagger 2.

use serde_json::{Map, Value};

/// Names of routes that do something although they are asked with GET.
const DOING: [&str; 10] = [
    "drain", "shutdown", "stop", "quit", "exit", "restart", "logout", "delete", "reset", "kill",
];

/// What a document lists.
#[derive(Debug, Default)]
pub(super) struct ListedRoutes {
    /// `GET`, and nothing has to be filled in.
    pub(super) gets: Vec<String>,
    /// The same, and the answer is an event stream.
    pub(super) events: Vec<String>,
    /// The others, each with why it is not asked.
    pub(super) others: Vec<(String, String)>,
}

/// Reads a document; `None` if it is none.
pub(super) fn routes(text: &[u8]) -> Option<ListedRoutes> {
    let document: Value = serde_json::from_slice(text).ok()?;
    let is_known = document
        .get("openapi")
        .or(document.get("swagger"))
        .is_some();
    let paths = document.get("paths")?.as_object().filter(|_| is_known)?;
    let base = base(&document);
    let mut routes = ListedRoutes::default();
    for (path, item) in paths {
        let Some(item) = item.as_object() else {
            continue;
        };
        let shown = format!("{base}{path}");
        for (method, operation) in item {
            let named = format!("{} {shown}", method.to_uppercase());
            match method.as_str() {
                "get" => match why_not(path, item, operation) {
                    Some(why) => routes.others.push((named, why.to_owned())),
                    None if is_stream(operation) => routes.events.push(shown.clone()),
                    None => routes.gets.push(shown.clone()),
                },
                "post" | "put" | "patch" | "delete" => {
                    let why = "it may change something".to_owned();
                    routes.others.push((named, why));
                }
                _ => {}
            }
        }
    }
    Some(routes)
}

/// Where the paths begin: OpenAPI 3 has URLs of servers, Swagger 2 a base path.
fn base(document: &Value) -> String {
    let server = document.pointer("/servers/0/url").and_then(Value::as_str);
    let path = match server {
        // Of a whole URL the path; with a variable in it nobody knows.
        Some(url) if url.contains('{') => "",
        Some(url) => match url.split_once("://") {
            Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
            None => url,
        },
        None => document
            .get("basePath")
            .and_then(Value::as_str)
            .unwrap_or(""),
    };
    path.trim_end_matches('/').to_owned()
}

fn why_not(path: &str, item: &Map<String, Value>, operation: &Value) -> Option<&'static str> {
    let lists = [item.get("parameters"), operation.get("parameters")];
    let mut parameters = lists
        .into_iter()
        .flatten()
        .filter_map(Value::as_array)
        .flatten();
    let is_demanded = |parameter: &Value| {
        // One that is written elsewhere may be anything.
        parameter.get("$ref").is_some() || parameter.get("required") == Some(&Value::Bool(true))
    };
    let word = |part: &str| DOING.contains(&part.to_lowercase().as_str());
    match () {
        () if path.contains('{') || parameters.any(is_demanded) => Some("it has parameters"),
        () if path.split(['/', '-', '_']).any(word) => Some("by its name it does something"),
        () => None,
    }
}

fn is_stream(operation: &Value) -> bool {
    let content = operation.pointer("/responses/200/content");
    content.is_some_and(|content| content.get("text/event-stream").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_nothing_and_does_nothing_is_asked() {
        let text =
            br##"{"openapi": "3.1.0", "servers": [{"url": "https://shop.example/api/"}], "paths": {
            "/items": {"get": {"parameters": [{"name": "page", "in": "query"}]}, "post": {}},
            "/items/{id}": {"get": {}},
            "/search": {"get": {"parameters": [{"name": "q", "in": "query", "required": true}]}},
            "/shared": {"parameters": [{"$ref": "#/components/parameters/tenant"}], "get": {}},
            "/events": {"get": {"responses": {"200": {"content": {"text/event-stream": {}}}}}},
            "/admin/drain": {"get": {}}
        }}"##;
        let routes = routes(text).unwrap();
        assert_eq!(routes.gets, ["/api/items"]);
        assert_eq!(routes.events, ["/api/events"]);
        let others: Vec<&str> = routes
            .others
            .iter()
            .map(|(named, _)| named.as_str())
            .collect();
        for named in [
            "POST /api/items",
            "GET /api/items/{id}",
            "GET /api/search",
            "GET /api/shared",
            "GET /api/admin/drain",
        ] {
            assert!(others.contains(&named), "{others:?} should have {named}");
        }
        assert_eq!(others.len(), 5);
    }

    #[test]
    fn swagger_has_a_base_path_and_a_page_is_no_document() {
        let swagger = br#"{"swagger": "2.0", "basePath": "/v1", "paths": {"/a": {"get": {}}}}"#;
        assert_eq!(routes(swagger).unwrap().gets, ["/v1/a"]);
        assert!(routes(b"<html>").is_none());
        assert!(routes(br#"{"paths": {}}"#).is_none());
    }
}
