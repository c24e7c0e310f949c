import Hummingbird
import Logging
import NIOCore

/// What a request is handled with: Hummingbird's own storage and the channel, whose loop's shard answers.
struct RoostContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }
}
