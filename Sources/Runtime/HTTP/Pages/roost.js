/**
 * A client of Roost for browsers and Node, without dependencies.
 *
 *     const roost = new Roost({ nodes: ["ws://a:6336", "ws://b:6336"] });
 *     await roost.subscribe("chat/lobby", { since: { last: 50 }, onEvent: (event) => console.log(event.data) });
 *     await roost.publish("chat/lobby", { text: "Hello" }, { ack: "stored" });
 *
 * It stays attached to one of its nodes. When that node goes, it attaches to another, resumes every subscription from
 * its cursor and sends again, under the same message ids, what was not acknowledged: nothing is missed or comes twice.
 */

/** First bound of the wait between two attempts to attach, in milliseconds; it doubles with each failure. */
const BACK_OFF_BASE_MS = 200;
/** Largest bound of that wait, and the longest wait that a node can ask for, in milliseconds. */
const BACK_OFF_LIMIT_MS = 15_000;
/** How long a node has from the first byte to its session frame, in milliseconds. */
const ATTACH_LIMIT_MS = 10_000;
/** After one to two of these of silence, in milliseconds, the node is asked for a pong; one more and it is left. */
const SILENCE_LIMIT_MS = 15_000;
/** Requests that may wait for an answer or for a node; one more is refused with `OUTBOX_FULL`. */
const OUTBOX_LIMIT = 10_000;
/** How often a resume is tried at one node that does not know the topic, or not yet. */
const RESUME_ATTEMPTS = 8;
/** How far two messages of one publisher with one `messageId` may be apart, in milliseconds, to be the same message. */
const REPEAT_WINDOW_MS = 300_000;
/** How many messages a subscription remembers by their `messageId`. */
const REPEAT_LIMIT = 10_000;

/**
 * @typedef {Object<string, number|Object<string, number>>} Cursor  A place in a topic: what has been seen, by
 *   partition. For a wildcard it is `{topic: {partition: offset}}`.
 *
 * @typedef {{topic: string, event: string, data: *, id: string, partition: string, offset: number, timestamp: string,
 *   source: string, user?: string, key?: string, messageId?: string}} RoostEvent  One delivered message: `data` is it
 *   as it was published, `partition` the origin and epoch that sequenced it, `offset` dense from 1 in that, `timestamp`
 *   ISO 8601 in UTC.
 *
 * @typedef {{topic: string, partition?: string, from?: number, to?: number, reason: string}} Gap  Messages that are
 *   lost for good, or a jump that the node did not announce (`reason` is then `unannounced`).
 */

/** A refusal by a node, or a request that this client gave up. */
export class RoostError extends Error {
  /**
   * @param {string} code  An error code of the broker, or `DETACHED`, `CLOSED`, `OUTBOX_FULL`, `ALREADY_SUBSCRIBED`.
   * @param {string} words  What a person should read.
   * @param {object} [facts]  Further properties: a failed publish has its `messageId`, so that it can be tried again.
   */
  constructor(code, words, facts = {}) {
    super(words);
    Object.assign(this, facts, { name: "RoostError", code });
  }
}

/** Whether a filter matches a name: `+` is one level, a last `#` the rest. @returns {boolean} */
export function topicMatches(filter, topic) {
  const wanted = filter.split("/");
  const levels = topic.split("/");
  if (topic.startsWith("$") && !filter.startsWith("$")) return false;
  for (let i = 0; i < wanted.length; i += 1) {
    if (wanted[i] === "#") return true;
    if (i >= levels.length || (wanted[i] !== "+" && wanted[i] !== levels[i])) return false;
  }
  return wanted.length === levels.length;
}

/** One followed topic or wildcard. `Roost.subscribe` makes them. */
export class Subscription {
  constructor(roost, topic, options) {
    /** @type {string} The topic or the wildcard that is followed. */
    this.topic = topic;
    this.wildcard = /[+#]/.test(topic);
    /** @type {boolean} Whether the node now attached to has acknowledged it. */
    this.live = false;
    this.roost = roost;
    this.options = options;
    this.places = new Map(); // topic → Map(partition → offset)
    this.recent = new Map(); // topic, user and messageId → time of the message
    this.started = false; // a first reply has fixed where it begins
    this.attempts = 0;
  }

  /** What has been handled so far, fit to be kept and given as `since` later. @returns {Cursor} */
  get cursor() {
    const byTopic = [...this.places].map(([topic, offsets]) => [topic, Object.fromEntries(offsets)]);
    return this.wildcard ? Object.fromEntries(byTopic) : (byTopic[0]?.[1] ?? {});
  }

  /** Ends it. @returns {Promise<void>} */
  unsubscribe = () => this.roost.unsubscribe(this);

  /** Moves forward to a cursor that the node gave for `topic`, a name or this wildcard itself; never backward. */
  advance(topic, cursor) {
    for (const [name, value] of Object.entries(cursor ?? {})) {
      if (value !== null && typeof value === "object") this.advance(name, value);
      else if (value > this.offset(topic, name)) this.place(topic).set(name, value);
    }
  }

  /** Calls one of the caller's functions, if it gave that one. */
  tell(name, value) {
    this.roost.guard(() => this.options[name]?.(value));
  }

  place(topic) {
    if (!this.places.has(topic)) this.places.set(topic, new Map());
    return this.places.get(topic);
  }

  offset(topic, partition) {
    return this.places.get(topic)?.get(partition) ?? 0;
  }

  /** Hands one event over, unless it was handed over before, and moves past it. */
  deliver(event) {
    const seen = this.offset(event.topic, event.partition);
    if (event.offset <= seen) return;
    if (this.started && event.offset > seen + 1) {
      const { topic, partition, offset } = event;
      this.report({ topic, partition, from: seen + 1, to: offset - 1, reason: "unannounced" });
    }
    if (!this.repeats(event)) this.tell("onEvent", event);
    this.place(event.topic).set(event.partition, event.offset);
  }

  /**
   * Whether a message came before from another place: its publisher sent it again because a node had gone, and only
   * that node knew the first. No node can fold the two for a subscriber that has moved as well, so it is done here.
   */
  repeats({ topic, user, messageId, timestamp }) {
    if (messageId === undefined) return false;
    const key = JSON.stringify([topic, user, messageId]);
    const time = Date.parse(timestamp);
    if (Math.abs(time - this.recent.get(key)) <= REPEAT_WINDOW_MS) return true;
    this.recent.delete(key); // so that it goes to the end
    this.recent.set(key, time);
    if (this.recent.size > REPEAT_LIMIT) this.recent.delete(this.recent.keys().next().value);
    return false;
  }

  /** Tells of messages that will not come. */
  report(gap) {
    this.tell("onGap", gap);
    this.roost.emit("gap", gap);
  }

  /** What a node has to be asked to begin, or to go on, with this subscription. */
  attributes() {
    const { since, filters, presence } = this.options;
    return { topicName: this.topic, filters, presence, since: this.started ? this.cursor : since };
  }
}

/**
 * A client of one cluster. It begins to attach as soon as it is made, and goes on until `close`. Through `on` it tells
 * `attached` {node, sessionId, user, cluster, url}, `detached` {code, reason, node}, `gap` (a Gap) and `error`.
 */
export class Roost {
  /**
   * @param {object} options
   * @param {string[]} options.nodes  Addresses of nodes, `ws://host:port` or `wss://…`; the path may be left out.
   * @param {string|function(): (string|Promise<string>)} [options.token]  A JWT, or what fetches a fresh one.
   * @param {function} [options.WebSocket]  The constructor to use; the global one unless given (in Node: package `ws`).
   * @param {function(): number} [options.random]  A source of chance in [0, 1).
   */
  constructor({ nodes, token, WebSocket = globalThis.WebSocket, random = Math.random }) {
    if (!WebSocket) throw new RoostError("NOT_SUPPORTED", "There is no global WebSocket here: pass one as an option.");
    this.WebSocket = WebSocket;
    this.token = token;
    this.random = random;
    this.listeners = new Map();
    this.subscriptions = new Map();
    this.outbox = new Map(); // id → request that waits for its answer, in the order of asking
    this.pings = [];
    this.counter = 0;
    this.failures = 0;
    this.closed = false;
    this.socket = null;
    /** @type {object|null} What the node now attached to said of the session. */
    this.session = null;
    this.setNodes(nodes);
    queueMicrotask(() => this.attach());
  }

  /** Replaces the list of nodes; the present attachment stays. @param {string[]} nodes */
  setNodes(nodes) {
    if (!nodes?.length) throw new RoostError("INVALID_MESSAGE", "A client needs the address of a node.");
    const current = this.nodes?.[this.turn];
    this.nodes = [...new Set(nodes)];
    this.turn = Math.max(0, this.nodes.indexOf(current));
  }

  /** Calls `listener` for every such event; what it returns ends that. @param {string} name */
  on(name, listener) {
    if (!this.listeners.has(name)) this.listeners.set(name, new Set());
    this.listeners.get(name).add(listener);
    return () => this.listeners.get(name).delete(listener);
  }

  /**
   * Follows topics; a reconnection resumes them by itself. Settles once the subscription is live.
   * @param {string|string[]} topics  A name or a wildcard, or several: the promise then gives as many subscriptions.
   * @param {object} [options]
   * @param {Cursor|string|{last: number}|{time: string}} [options.since]  Where to begin; from now on unless given.
   * @param {object} [options.filters]  `EventType`, or top-level keys of the message, with the value wanted.
   * @param {boolean} [options.presence]  Whether members' coming and going is told to `onPresence`.
   * @param {function(RoostEvent): void} [options.onEvent]
   * @param {function(Gap): void} [options.onGap]
   * @param {function(object): void} [options.onPresence]
   * @returns {Promise<Subscription|Subscription[]>}
   */
  subscribe(topics, options = {}) {
    if (Array.isArray(topics)) {
      const since = (topic) => options.since?.[topic] ?? options.since;
      return Promise.all(topics.map((topic) => this.subscribe(topic, { ...options, since: since(topic) })));
    }
    if (this.subscriptions.has(topics)) {
      return Promise.reject(new RoostError("ALREADY_SUBSCRIBED", `This client follows ${topics} already.`));
    }
    const subscription = new Subscription(this, topics, options);
    this.subscriptions.set(topics, subscription);
    return new Promise((resolve, reject) => {
      subscription.settle = { resolve, reject };
      if (this.session) this.begin(subscription);
    });
  }

  /** Ends a subscription. @param {Subscription|string} subscription  Itself or its topic. @returns {Promise<void>} */
  async unsubscribe(subscription) {
    const topic = subscription.topic ?? subscription;
    const known = this.subscriptions.get(topic);
    this.subscriptions.delete(topic);
    known?.settle?.reject(new RoostError("CLOSED", `The subscription to ${topic} was ended.`));
    if (known && this.session) await this.request("unsubscribe", { topicName: topic }, { once: true });
  }

  /**
   * Publishes one message. It is sent again under the same `messageId` until a node has answered.
   * @param {string} topic
   * @param {*} message  Any value that JSON has.
   * @param {object} [options]
   * @param {"none"|"accepted"|"stored"|"replicated"} [options.ack]  What the answer means; `accepted` unless given.
   * @param {string} [options.messageId]  Your own, if a publish must survive this process; else a random one.
   * @param {string} [options.event] @param {string} [options.key] @param {number} [options.ttl] milliseconds
   * @returns {Promise<{id: string, partition: string, offset: number, timestamp: string, ack: string}|undefined>}
   *   With `ack: "none"` nothing is answered: it settles when the message has been handed to a socket.
   */
  publish(topic, message, { ack = "accepted", messageId = randomId(), event, key, ttl } = {}) {
    const attributes = { topicName: topic, message, ack, messageId, event, key, ttl };
    return this.request("publish", attributes, { silent: ack === "none", facts: { messageId } });
  }

  /** Creates a topic; settles once it is stored. @param {string} name @param {object} [options] as in `create-topic` */
  createTopic(name, options = {}) {
    return this.request("create-topic", { topicName: name, ...options }, { once: true });
  }

  /** Destroys a topic and its messages. @param {string} name @returns {Promise<object>} */
  destroyTopic(name) {
    return this.request("destroy-topic", { topicName: name }, { once: true });
  }

  /** Lists topics. @param {{filter?: string, limit?: number, after?: string}} [options] @returns {Promise<object>} */
  listTopics(options = {}) {
    return this.request("list-topic", options);
  }

  /** Describes a topic. @param {string} name @returns {Promise<object>} */
  getTopic(name) {
    return this.request("get-topic", { topicName: name });
  }

  /** Reads stored messages, `{messages, cursor, more}`; `options`: since, until, limit. @param {string} topic */
  history(topic, options = {}) {
    return this.request("history", { topicName: topic, ...options });
  }

  /** Asks the node for a sign of life. @returns {Promise<number>} how long it took, in milliseconds */
  ping() {
    if (!this.session) return Promise.reject(new RoostError("DETACHED", "No node is attached."));
    const start = Date.now();
    return new Promise((resolve, reject) => {
      this.pings.push({ resolve: () => resolve(Date.now() - start), reject });
      this.send({ method: "ping", attributes: {} });
    });
  }

  /** Leaves for good: nothing is attached again, and what still waits is refused with `CLOSED`. */
  close() {
    this.closed = true;
    clearTimeout(this.retry);
    this.detach(1000, "closed by the client");
    const error = new RoostError("CLOSED", "The client was closed.");
    for (const waiting of this.outbox.values()) waiting.reject(error);
    for (const subscription of this.subscriptions.values()) subscription.settle?.reject(error);
    this.outbox.clear();
    this.subscriptions.clear();
  }

  async attach() {
    if (this.closed || this.socket) return;
    const url = this.nodes[this.turn];
    const attempt = (this.attempt = {}); // a later attempt makes this one stale
    this.watch = setTimeout(() => this.detach(1006, "no session in time"), ATTACH_LIMIT_MS);
    try {
      const token = typeof this.token === "function" ? await this.token() : this.token;
      if (this.closed || this.attempt !== attempt) return;
      const address = new URL("/live", url);
      if (token) address.searchParams.set("token", token);
      const socket = (this.socket = new this.WebSocket(address.href));
      socket.onmessage = ({ data }) => this.socket === socket && this.receive(data);
      socket.onclose = ({ code, reason }) => this.socket === socket && this.detach(code, String(reason));
      socket.onerror = () => {}; // a close always follows
    } catch (error) {
      this.emit("error", error);
      if (this.attempt === attempt) this.detach(1006, String(error));
    }
  }

  /** Forgets the socket, at once: a half-open one would take minutes to say that it is closed. */
  detach(code, reason) {
    const { socket, session } = this;
    clearTimeout(this.watch);
    clearInterval(this.pulse);
    this.socket = this.session = this.attempt = null;
    socket?.close();
    const error = new RoostError("DETACHED", `The node went before it answered (${code}).`);
    for (const ping of this.pings.splice(0)) ping.reject(error);
    for (const [id, waiting] of this.outbox) {
      if (!waiting.once || !waiting.sent) continue;
      this.outbox.delete(id);
      waiting.reject(error);
    }
    for (const subscription of this.subscriptions.values()) {
      subscription.live = false;
      clearTimeout(subscription.timer);
    }
    if (session) this.emit("detached", { code, reason, node: session.node });
    if (code === 1008 && reason.startsWith("AUTH_")) {
      this.emit("error", new RoostError(reason.split(/\W/)[0], `The node closed: ${reason}`));
      if (typeof this.token !== "function") this.close(); // the same token again would be refused again
    }
    if (!this.closed) this.retry = setTimeout(() => this.attach(), this.wait(code, reason));
  }

  /** Milliseconds until the next attempt: what the node asked for, or full jitter over a growing bound. */
  wait(code, reason) {
    const asked = this.drained ?? (code === 1012 || code === 1013 ? Number(/\d+/.exec(reason)?.[0]) : NaN);
    const bound = Math.min(BACK_OFF_LIMIT_MS, BACK_OFF_BASE_MS * 2 ** this.failures);
    this.drained = undefined;
    this.failures = Math.min(this.failures + 1, 16);
    this.turn = (this.turn + 1) % this.nodes.length;
    return Number.isFinite(asked) ? Math.min(asked, BACK_OFF_LIMIT_MS) : this.random() * bound;
  }

  /** Asks a silent node for a pong, and leaves it when it stays silent. */
  tick() {
    this.silence += 1; // every frame sets it to 0
    if (this.silence > 2) this.detach(1006, "the node fell silent");
    else if (this.silence > 1) this.send({ method: "ping", attributes: {} });
  }

  receive(text) {
    let frame;
    try {
      frame = JSON.parse(text);
    } catch (error) {
      this.emit("error", error);
      return;
    }
    this.silence = 0;
    switch (frame.type) {
      case "session": return this.opened(frame.data);
      case "response": return this.answered(frame);
      case "event": return this.deliver(frame);
      case "cursor": return this.matching(frame.topic).forEach((each) => each.advance(frame.topic, frame.cursor));
      case "gap": return this.missed(frame);
      case "presence": return this.matching(frame.topic).forEach((each) => each.tell("onPresence", frame));
      case "pong": return this.pings.shift()?.resolve();
      case "drain": return void (this.drained = frame.data?.retryAfterMs);
      case "auth": return frame.status === "expiring" && this.renew();
      default: // a later version's frame
    }
  }

  opened(session) {
    this.session = session;
    this.failures = 0;
    clearTimeout(this.watch);
    this.pulse = setInterval(() => this.tick(), SILENCE_LIMIT_MS);
    this.emit("attached", { ...session, url: this.nodes[this.turn] });
    // Subscriptions first: what is published next is then seen by them.
    for (const subscription of this.subscriptions.values()) this.begin(subscription);
    for (const [id, waiting] of this.outbox) if (!waiting.subscription) this.transmit(id, waiting);
  }

  answered(frame) {
    const waiting = this.outbox.get(frame.id);
    const error = frame.ok ? null : new RoostError(frame.code, frame.error, waiting?.facts);
    if (!waiting) return error && this.emit("error", error);
    this.outbox.delete(frame.id);
    return error ? waiting.reject(error) : waiting.resolve(frame.data);
  }

  /**
   * Gives an event to the subscriptions that it is for. A frame does not name its subscription, so where a name and a
   * wildcard overlap, and one of them is still reading older messages, it is for those whose next message it is.
   */
  deliver(event) {
    const candidates = this.matching(event.topic);
    const next = candidates.filter((each) => event.offset === each.offset(event.topic, event.partition) + 1);
    for (const each of candidates.length > 1 && next.length ? next : candidates) each.deliver(event);
  }

  missed({ topic, partition, from, to, reason }) {
    for (const subscription of this.matching(topic)) {
      if (to <= subscription.offset(topic, partition)) continue;
      subscription.advance(topic, { [partition]: to });
      subscription.report({ topic, partition, from, to, reason });
    }
  }

  matching(topic) {
    const matches = (each) => each.topic === topic || (each.wildcard && topicMatches(each.topic, topic));
    return [...this.subscriptions.values()].filter(matches);
  }

  async renew() {
    if (typeof this.token !== "function") return;
    const renewed = async () => this.request("auth", { token: await this.token() }, { once: true });
    await renewed().catch((error) => this.emit("error", error));
  }

  async begin(subscription) {
    const { session } = this;
    try {
      const data = await this.request("subscribe", subscription.attributes(), { once: true, subscription });
      subscription.advance(subscription.topic, data.cursor);
      subscription.started = subscription.live = true;
      subscription.attempts = 0;
      subscription.settle?.resolve(subscription);
      subscription.settle = undefined;
    } catch (error) {
      const current = this.subscriptions.get(subscription.topic) === subscription && this.session === session;
      if (current && error.code !== "DETACHED") this.refused(subscription, error); // detached: the next node resumes it
    }
  }

  /** A first subscribe is refused to its caller; a resume is tried again, since a node may only be behind. */
  refused(subscription, error) {
    if (error.code === "CURSOR_TOO_OLD" && subscription.started) {
      subscription.report({ topic: subscription.topic, reason: error.code });
      subscription.options = { ...subscription.options, since: "beginning" };
      subscription.started = false; // what was seen is still remembered, and not handed over twice
      this.begin(subscription);
      return;
    }
    const transient = ["TOPIC_NOT_FOUND", "RATE_LIMIT_EXCEEDED", "INTERNAL_ERROR"].includes(error.code);
    subscription.attempts += 1;
    if (subscription.started && transient && subscription.attempts < RESUME_ATTEMPTS) {
      const wait = this.random() * BACK_OFF_BASE_MS * 2 ** subscription.attempts;
      subscription.timer = setTimeout(() => this.session && this.begin(subscription), wait);
      return;
    }
    this.subscriptions.delete(subscription.topic);
    if (subscription.settle) subscription.settle.reject(error);
    else this.emit("error", error);
  }

  /**
   * Sends a request now, or when a node is there. `once`: it is not sent a second time, since that would not mean the
   * same; `silent`: no answer is expected; `facts`: what its error tells.
   */
  request(method, attributes, { once = false, silent = false, facts, subscription } = {}) {
    if (this.closed) return Promise.reject(new RoostError("CLOSED", "The client was closed.", facts));
    if (this.outbox.size >= OUTBOX_LIMIT) {
      return Promise.reject(new RoostError("OUTBOX_FULL", "Too many requests wait for an answer.", facts));
    }
    return new Promise((resolve, reject) => {
      const id = String((this.counter += 1));
      const waiting = { method, attributes, once, silent, facts, subscription, resolve, reject, sent: false };
      this.outbox.set(id, waiting);
      if (this.session) this.transmit(id, waiting);
    });
  }

  transmit(id, waiting) {
    const { method, attributes, silent } = waiting;
    waiting.sent = true;
    this.send(silent ? { method, attributes } : { id, method, attributes });
    if (!silent) return;
    this.outbox.delete(id);
    waiting.resolve();
  }

  send(frame) {
    // One that has closed a moment ago says so in its own event, and the outbox still holds what was asked.
    if (this.socket?.readyState === 1) this.socket.send(JSON.stringify(frame));
  }

  emit(name, value) {
    for (const listener of this.listeners.get(name) ?? []) this.guard(() => listener(value), name);
  }

  /** Calls foreign code: what it throws is told, and stops nothing. */
  guard(call, during) {
    try {
      call();
    } catch (error) {
      if (during === "error") console.error(error);
      else this.emit("error", error);
    }
  }
}

/** A random id of 128 bits. `crypto.randomUUID` is missing on pages that came over plain HTTP, `crypto` in Node 18. */
function randomId() {
  const bytes = new Uint8Array(16);
  globalThis.crypto ? crypto.getRandomValues(bytes) : bytes.forEach((_, i) => (bytes[i] = Math.random() * 256));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
