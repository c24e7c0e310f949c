import Hummingbird
import HummingbirdCore
import Model

/// What operators and their tools ask of a node: probes, figures, the description of REST. Open to all who reach the
/// port.
struct OperationsDoor: Sendable {
    let fronts: [FrontPort]
    let services: any NodeServices

    func addRoutes(to router: Router<RoostContext>) {
        router.get("/healthz") { _, _ in
            // Every loop answers, or the probe's own deadline passes.
            for front in fronts { _ = await front.figures() }
            return Response.content(.ok, Array("ok\n".utf8), type: "text/plain; charset=utf-8")
        }
        router.get("/readyz") { _, _ in
            guard let reason = await services.unreadiness() else {
                return Response.content(.ok, Array("ready\n".utf8), type: "text/plain; charset=utf-8")
            }
            return .content(.serviceUnavailable, Array("\(reason)\n".utf8), type: "text/plain; charset=utf-8")
        }
        router.get("/metrics") { _, _ in
            let metrics = await frontMetrics() + services.metrics()
            return Response.content(
                .ok, Array(metrics.exposition.utf8), type: "text/plain; version=0.0.4; charset=utf-8")
        }
        for path: RouterPath in ["/openapi.json", "/api/v1/openapi.json"] {
            router.get(path) { _, _ in Response.json(.ok, PackageResources.openapi_json) }
        }
    }

    /// The front's own figures, summed over the loops.
    private func frontMetrics() async -> [Metric] {
        var sum = FrontFigures()
        for front in fronts { sum.add(await front.figures()) }
        return sum.metrics
    }
}

extension FrontFigures {
    /// The figures as metrics.
    var metrics: [Metric] {
        [
            Metric("roost_connections", .gauge, help: "Open connections of clients: WebSockets and streams.", connections),
            Metric("roost_subscriptions", .gauge, help: "Live subscriptions.", subscriptions),
            Metric(
                "roost_connections_accepted_total", .counter, help: "Connections accepted, HTTP and WebSocket.",
                counters.accepted),
            Metric(
                "roost_websockets_opened_total", .counter, help: "Connections that became a WebSocket.",
                counters.upgraded),
            Metric(
                "roost_streams_opened_total", .counter, help: "Connections that became a stream of events over HTTP.",
                counters.streams),
            Metric(
                "roost_websockets_refused_total", .counter, help: "Upgrades and streams refused, by reason.",
                samples: counters.refused.samples),
            Metric(
                "roost_heads_refused_total", .counter, help: "Requests refused for too large a head.",
                counters.largeHeads),
            Metric(
                "roost_connections_closed_total", .counter, help: "Connections closed by this node, by reason.",
                samples: [
                    ("turned_away", counters.turnedAway), ("silent", counters.silent), ("idle", counters.idle),
                    ("violation", counters.violations - counters.largeMessages),
                    ("message_too_large", counters.largeMessages), ("unanswered_ping", counters.unanswered),
                    ("unauthenticated", shard.unauthenticated), ("rate", shard.excesses),
                ].map { Metric.Sample(Double($1), labels: [.init("reason", $0)]) }),
            Metric(
                "roost_connections_held_total", .counter,
                help: "How often a connection that sent too fast was not read, or over HTTP was answered with 429.",
                shard.holds + counters.throttled),
            Metric(
                "roost_subscriptions_refused_total", .counter,
                help: "Subscriptions refused because their connection has as many as it may.",
                shard.subscriptionsRefused),
            Metric(
                "roost_client_messages_total", .counter, help: "Messages that clients sent.", counters.messagesReceived),
            Metric("roost_client_bytes_total", .counter, help: "Bytes of clients' frames.", counters.bytesReceived),
            Metric("roost_frames_sent_total", .counter, help: "Frames sent to clients.", counters.framesSent),
            Metric("roost_bytes_sent_total", .counter, help: "Bytes of frames sent to clients.", counters.bytesSent),
            Metric(
                "roost_event_encodings_total", .counter, help: "Messages encoded for any number of live receivers.",
                counters.encodings),
            Metric(
                "roost_websockets_compressing_total", .counter, help: "WebSockets that agreed to permessage-deflate.",
                counters.compressing),
            Metric(
                "roost_messages_compressed_total", .counter, help: "Messages compressed for any number of receivers.",
                counters.compressions),
            Metric(
                "roost_compression_bytes_before_total", .counter, help: "Bytes of messages before compression.",
                counters.bytesBeforeCompression),
            Metric(
                "roost_compression_bytes_after_total", .counter, help: "Bytes of the same as they were sent.",
                counters.bytesAfterCompression),
            Metric(
                "roost_inflate_refusals_total", .counter,
                help: "Connections closed because a compressed message was damaged or inflated beyond the limit.",
                counters.inflateRefusals),
            Metric("roost_messages_published_total", .counter, help: "Messages sequenced here.", shard.published),
            Metric("roost_messages_delivered_total", .counter, help: "Messages given to receivers.", shard.delivered),
            Metric("roost_requests_refused_total", .counter, help: "Requests refused.", shard.refused),
            Metric("roost_catch_up_pages_total", .counter, help: "Pages read for catching up.", shard.pages),
            Metric(
                "roost_slow_consumers_total", .counter, help: "Connections that left the live stream.",
                shard.congestions),
            Metric("roost_gaps_total", .counter, help: "Gaps told to subscribers.", shard.gaps),
        ]
    }
}
