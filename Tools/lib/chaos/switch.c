// A switch of Ethernet frames between network namespaces, one TAP device in each, that delays, repeats and reorders.
// Kernels without sch_netem have nothing else that can.
//
//   switch RULES SEED PORT…    PORT is a file below /run/netns, or "-" for the caller's own namespace
//
// RULES is a file of PORTS × PORTS rules (source major) that is mapped and read anew for each frame, so that whoever
// writes there changes the network at once. Port i has the address 02:00:00:00:00:(i+1). A frame that jumps the queue
// skips its delay; others keep their order. Frames beyond the bound on those under way are dropped, as any switch does.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { ports_maximum = 16, frame_maximum = 1600, under_way_maximum = 65536, burst = 64 };

struct rule { uint32_t delay_us, jitter_us, repeat_permille, jump_permille; };
struct frame { int64_t due; uint64_t number; int to, length; unsigned char bytes[frame_maximum]; };

static int ports, taps[ports_maximum];
static volatile struct rule *rules;
static int64_t last_due[ports_maximum][ports_maximum];
static struct frame *heap[under_way_maximum];
static int waiting;
static uint64_t numbers, state;

static int64_t now_us(void) {
  struct timespec reading;
  clock_gettime(CLOCK_MONOTONIC, &reading);
  return reading.tv_sec * 1000000LL + reading.tv_nsec / 1000;
}

// splitmix64
static uint64_t draw(void) {
  uint64_t z = state += 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}
static int happens(uint32_t permille) { return permille && draw() % 1000 < permille; }

static int earlier(const struct frame *a, const struct frame *b) {
  return a->due < b->due || (a->due == b->due && a->number < b->number);
}

static void push(struct frame *frame) {
  int at = waiting++;
  for (; at && earlier(frame, heap[(at - 1) / 2]); at = (at - 1) / 2) heap[at] = heap[(at - 1) / 2];
  heap[at] = frame;
}

static struct frame *pop(void) {
  struct frame *first = heap[0], *moved = heap[--waiting];
  int at = 0;
  for (;;) {
    int child = 2 * at + 1;
    if (child >= waiting) break;
    if (child + 1 < waiting && earlier(heap[child + 1], heap[child])) child++;
    if (!earlier(heap[child], moved)) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = moved;
  return first;
}

static void deliver(int to, const unsigned char *bytes, int length) {
  if (write(taps[to], bytes, length) < 0 && errno != EAGAIN && errno != EIO) perror("switch: a port refuses a frame");
}

static void forward(int from, int to, const unsigned char *bytes, int length) {
  struct rule rule = rules[from * ports + to];
  for (int copies = 1 + happens(rule.repeat_permille); copies > 0; copies--) {
    int64_t now = now_us(), due = now + rule.delay_us;
    if (rule.jitter_us) due += draw() % rule.jitter_us;
    if (happens(rule.jump_permille)) due = now;
    else if (due < last_due[from][to]) due = last_due[from][to];
    if (due > last_due[from][to]) last_due[from][to] = due;
    if (due <= now) {
      deliver(to, bytes, length);
    } else if (waiting < under_way_maximum) {
      struct frame *frame = malloc(sizeof *frame);
      if (!frame) abort();
      frame->due = due, frame->number = numbers++, frame->to = to, frame->length = length;
      memcpy(frame->bytes, bytes, length);
      push(frame);
    }
  }
}

static void receive(int from) {
  unsigned char bytes[frame_maximum];
  for (int i = 0; i < burst; i++) {
    int length = (int)read(taps[from], bytes, sizeof bytes);
    if (length < 14) return;
    if (bytes[0] & 1) { // to all
      for (int to = 0; to < ports; to++) if (to != from) forward(from, to, bytes, length);
    } else if (bytes[0] == 2 && bytes[5] >= 1 && bytes[5] <= ports && bytes[5] != from + 1) {
      forward(from, bytes[5] - 1, bytes, length);
    }
  }
}

static int open_tap(const char *namespace, int home, int port) {
  char path[256];
  snprintf(path, sizeof path, "/run/netns/%s", namespace);
  int there = strcmp(namespace, "-") == 0 ? dup(home) : open(path, O_RDONLY | O_CLOEXEC);
  if (there < 0 || setns(there, CLONE_NEWNET) != 0) { perror(path); exit(1); }
  close(there);
  int tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  struct ifreq request;
  memset(&request, 0, sizeof request);
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  strcpy(request.ifr_name, "eth0");
  if (tap < 0 || ioctl(tap, TUNSETIFF, &request) != 0) { perror("switch: /dev/net/tun"); exit(1); }
  char command[128];
  snprintf(command, sizeof command, "ip link set eth0 address 02:00:00:00:00:%02x up", port + 1);
  if (system(command) != 0) exit(1);
  return tap;
}

int main(int count, char **words) {
  if (count < 5 || count - 3 > ports_maximum) return fprintf(stderr, "Usage: switch RULES SEED PORT PORT…\n"), 64;
  ports = count - 3, state = strtoull(words[2], NULL, 10);
  int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), file = open(words[1], O_RDONLY | O_CLOEXEC);
  if (file < 0) return perror(words[1]), 1;
  rules = mmap(NULL, sizeof(struct rule) * ports * ports, PROT_READ, MAP_SHARED, file, 0);
  if (rules == MAP_FAILED) return perror(words[1]), 1;
  for (int port = 0; port < ports; port++) taps[port] = open_tap(words[port + 3], home, port);
  printf("ready\n");
  fflush(stdout);
  for (;;) {
    struct pollfd polled[ports_maximum];
    for (int port = 0; port < ports; port++) polled[port] = (struct pollfd){.fd = taps[port], .events = POLLIN};
    int64_t wait = waiting ? heap[0]->due - now_us() : 1000000;
    if (wait < 0) wait = 0;
    struct timespec limit = {wait / 1000000, wait % 1000000 * 1000};
    if (ppoll(polled, ports, &limit, NULL) < 0 && errno != EINTR) return perror("switch: poll"), 1;
    for (int port = 0; port < ports; port++) if (polled[port].revents & POLLIN) receive(port);
    while (waiting && heap[0]->due <= now_us()) {
      struct frame *frame = pop();
      deliver(frame->to, frame->bytes, frame->length);
      free(frame);
    }
  }
}
