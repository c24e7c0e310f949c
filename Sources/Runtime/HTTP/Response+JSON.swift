import Broker
import Dialects
import Hummingbird
import HummingbirdCore
import JSON
import Model
import NIOCore

extension Response {
    /// A JSON text.
    static func json(_ status: HTTPResponse.Status, _ body: [UInt8], _ headers: HTTPFields = [:]) -> Response {
        content(status, body, type: "application/json", headers)
    }

    /// Content of a type.
    static func content(
        _ status: HTTPResponse.Status, _ body: [UInt8], type: String, _ headers: HTTPFields = [:]
    ) -> Response {
        var headers = headers
        headers[.contentType] = type
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: body)))
    }

    /// `{"success":true,"data":…}`.
    static func success(
        _ status: HTTPResponse.Status = .ok, _ data: (inout JSONWriter) -> Void
    ) -> Response {
        var writer = JSONWriter(reservingCapacity: 512)
        writer.beginObject()
        writer.key("success")
        writer.bool(true)
        writer.key("data")
        data(&writer)
        writer.endObject()
        return .json(status, writer.bytes)
    }

    /// `{"success":false,"error":{"code","message"}}` with the status that fits.
    static func refusal(_ refusal: Refusal) -> Response {
        let status = refusal.status
        var headers = HTTPFields()
        if status.code == 401 { headers[.wwwAuthenticate] = "Bearer" }
        if status.code == 503 || status.code == 429 { headers[.retryAfter] = "\(UpgradeRefusal.pause.components.seconds)" }
        return .json(HTTPResponse.Status(code: status.code, reasonPhrase: status.phrase), refusal.envelope, headers)
    }
}

/// ISO 8601 in UTC.
func text(of time: WallTime) -> String { Timestamp.text(time) }
