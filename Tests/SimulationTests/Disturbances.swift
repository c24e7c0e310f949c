import Model
import Simulator

extension World {
    /// Publishes to random topics on random running nodes for a while, one message every few milliseconds.
    func load(_ topics: [TopicName], for duration: Duration, named prefix: String, withIDs: Bool = true) {
        let end = now + duration
        var number = 0
        while now < end {
            let topic = topics.randomElement(using: &random)!
            let node = Int.random(in: 0..<nodes.count, using: &random)
            number += 1
            let text = "\(prefix)-\(number)"
            publish(text, to: topic, on: node, messageID: withIDs ? text : nil)
            run(for: .milliseconds(Int.random(in: 1...20, using: &random)))
        }
    }
}
