import Glibc

/// Makes the calling thread's heap ready to grow without asking the kernel for each page of it.
///
/// glibc lets the heap of a thread other than the first grow by one page at a time, each with an `mprotect(2)`: on a loop whose
/// messages are kept that was 7 % of its time. What has been grown once mostly stays usable while its memory goes back to the
/// system, so this takes address space, and memory but for a moment. Where the system overcommits nothing
/// (`vm.overcommit_memory` 2) it comes to nothing.
///
/// - Parameter bytes: at most what glibc gives one heap, 64 MiB.
func reserveHeap(_ bytes: Int = 48 << 20) {
    precondition(bytes <= 64 << 20, "more than a heap can have")
    // Small enough not to be mapped each by itself (mallopt(3), M_MMAP_THRESHOLD).
    let block = 64_000
    let blocks = (0..<bytes / block).map { _ in malloc(block) }
    // The last first, so that each joins the free memory behind it.
    for block in blocks.reversed() { free(block) }
}
