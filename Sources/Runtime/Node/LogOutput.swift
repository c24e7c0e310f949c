import Foundation
import Dialects
import JSON
import Logging
import Model

/// Log lines on standard error, for people or for programs.
enum LogOutput {
    static func install(_ configuration: NodeConfiguration) {
        let level = configuration.logLevel
        let isJSON = configuration.logFormat == .json
        LoggingSystem.bootstrap { label in
            if isJSON { return JSONLogHandler(label: label, level: level) }
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = level
            return handler
        }
    }
}

/// One JSON object a line: `time`, `level`, `label`, `message`, and the metadata as further members.
struct JSONLogHandler: LogHandler {
    let label: String
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]

    init(label: String, level: Logger.Level) {
        self.label = label
        logLevel = level
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("time")
        writer.string(Timestamp.text(systemClock().wall))
        for (key, value) in [("level", event.level.rawValue), ("label", label), ("message", "\(event.message)")] {
            writer.key(key)
            writer.string(value)
        }
        let facts = metadata.merging(event.metadata ?? [:]) { $1 }
        for (key, value) in facts.sorted(by: { $0.key < $1.key }) {
            writer.key(key)
            writer.string("\(value)")
        }
        writer.endObject()
        FileHandle.standardError.write(Data(writer.bytes + [0x0A]))
    }
}
