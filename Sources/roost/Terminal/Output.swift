import Glibc

/// A reader that has gone away is an answer to `write`, not a signal.
func ignoreBrokenPipes() { signal(SIGPIPE, SIG_IGN) }

/// Writes a line to standard output at once; ends the process quietly when nobody reads any more.
func writeLine(_ line: some Collection<UInt8>) {
    var bytes = Array(line)
    bytes.append(UInt8(ascii: "\n"))
    write(bytes, to: STDOUT_FILENO)
}

/// Writes a line of text to standard output at once.
func writeLine(_ line: String) { writeLine(line.utf8) }

/// Writes a line to standard error; with another `end`, a part of one.
func writeError(_ line: String, end: String = "\n") { write(Array((line + end).utf8), to: STDERR_FILENO) }

private func write(_ bytes: [UInt8], to descriptor: Int32) {
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        if count > 0 {
            rest = rest.dropFirst(count)
        } else if errno != EINTR && errno != EAGAIN {
            // Nobody reads any more, or the disk behind it is full: only the first is a good end.
            exit(errno == EPIPE ? 0 : 74)
        }
    }
}

/// Lines of columns, each as wide as its widest cell.
func table(_ rows: [[String]]) -> [String] {
    let columns = rows.map(\.count).max() ?? 0
    let widths = (0..<columns).map { column in rows.map { $0.count > column ? $0[column].count : 0 }.max() ?? 0 }
    return rows.map { row in
        var line = ""
        for (column, cell) in row.enumerated() {
            line +=
                column == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.count + 2)
        }
        return line
    }
}
