import Glibc

/// Asks for a password: twice and without echo on a terminal, else one line of standard input.
func readPassword() throws(CommandFailure) -> String {
    guard isatty(STDIN_FILENO) == 1 else {
        guard let line = readLine(strippingNewline: true), !line.isEmpty else {
            throw .broken("no password on standard input")
        }
        return line
    }
    let first = try prompt("Password: ")
    guard !first.isEmpty else { throw .broken("a password cannot be empty") }
    guard try prompt("Again: ") == first else { throw .broken("the two passwords differ") }
    return first
}

private func prompt(_ text: String) throws(CommandFailure) -> String {
    var before = termios()
    guard tcgetattr(STDIN_FILENO, &before) == 0 else { throw .broken("the terminal cannot be asked") }
    var silent = before
    silent.c_lflag &= ~tcflag_t(ECHO)
    guard tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0 else { throw .broken("the terminal's echo stays on") }
    defer {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before)
        writeError("")
    }
    writeError(text, end: "")
    guard let line = readLine(strippingNewline: true) else { throw .broken("no password was given") }
    return line
}
