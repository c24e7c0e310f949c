import Hummingbird
import HummingbirdCore

/// The chat page and the client library, as they were built into the program.
struct PagesDoor: Sendable {
    /// Scripts and styles are our own only; a page may attach to any node of the cluster.
    private static let policy =
        "default-src 'self'; connect-src 'self' http: https: ws: wss:; img-src 'self' data:; base-uri 'none'; "
        + "form-action 'none'; frame-ancestors 'none'"

    private static let pages: [(path: RouterPath, type: String, content: [UInt8])] = [
        ("/", "text/html; charset=utf-8", PackageResources.chat_html),
        ("/chat", "text/html; charset=utf-8", PackageResources.chat_html),
        ("/chat.css", "text/css; charset=utf-8", PackageResources.chat_css),
        ("/chat.js", "text/javascript; charset=utf-8", PackageResources.chat_js),
        ("/people.js", "text/javascript; charset=utf-8", PackageResources.people_js),
        ("/roost.js", "text/javascript; charset=utf-8", PackageResources.roost_js),
    ]

    func addRoutes(to router: Router<RoostContext>) {
        for page in Self.pages {
            router.get(page.path) { _, _ in
                Response.content(
                    .ok, page.content, type: page.type,
                    [.contentSecurityPolicy: Self.policy, .cacheControl: "no-cache"])
            }
        }
    }
}
