/// What is at each path: which methods it has, for the answer to another one (RFC 9110 §15.5.6).
enum HTTPPaths {
    /// The value of `Allow`; nil for a path at which nothing is.
    static func methods(at path: String) -> String? {
        switch path {
        case "/api/v1/auth/login", "/api/v1/query", "/graphql": "POST"
        case "/api/v1/topics", "/api/v1/schedules": "GET, POST"
        case "/api/v1/backups": "POST"
        case "/api/v1/cluster", "/events": "GET"
        case _ where isOpen(path): "GET"
        case "/api/v1/cluster/leave": "POST"
        case _ where path.hasPrefix("/api/v1/cluster/members/"): "DELETE"
        case _ where path.hasPrefix("/api/v1/schedules/"): "GET, DELETE"
        case _ where path.hasPrefix("/api/v1/tables/"): "GET"
        case _ where path.hasPrefix("/api/v1/topics/"): path.hasSuffix("/messages") ? "GET, POST" : "GET, PUT, DELETE"
        case _ where path.hasPrefix("/api/v1/backups/"):
            path.dropFirst("/api/v1/backups/".count).contains("/") ? "GET" : "DELETE"
        default: nil
        }
    }

    /// Whether what is at a path is the same for everybody and costs next to nothing: probes, figures and pages.
    static func isOpen(_ path: String) -> Bool {
        switch path {
        case "/healthz", "/readyz", "/metrics", "/openapi.json", "/api/v1/openapi.json", "/", "/chat", "/chat.css",
            "/chat.js", "/people.js", "/roost.js":
            true
        default: false
        }
    }
}
