/// First in, first out, without moving everything at each step.
struct Line<Element> {
    private var elements: [Element] = []
    private var start = 0

    var isEmpty: Bool { start == elements.count }

    var count: Int { elements.count - start }

    func forEach(_ body: (Element) -> Void) { elements[start...].forEach(body) }

    mutating func append(_ element: Element) { elements.append(element) }

    mutating func popFirst() -> Element? {
        guard start < elements.count else { return nil }
        defer {
            start += 1
            if start == elements.count || (start > 64 && start * 2 > elements.count) {
                elements.removeFirst(start)
                start = 0
            }
        }
        return elements[start]
    }
}
