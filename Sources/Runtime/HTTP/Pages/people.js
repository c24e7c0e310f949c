/**
 * Who is in a room and who types there: the members of its topic, as the node tells of them.
 *
 * What a page says of itself goes along with its membership, `{name, typing}`. A member whose node dies is told to have
 * left; who has typed nothing for a while is no longer shown as typing.
 */

/** How long somebody is shown as typing who says nothing more, in milliseconds. */
const TYPING_SHOWN_MS = 8_000;
/** How often a page says again that its user is typing, in milliseconds. */
const TYPING_SAID_MS = 3_000;
/** How many names are shown; the others are counted. */
const NAMES_SHOWN = 12;

export class People {
  /**
   * @param {Roost} roost
   * @param {function(): string} name  The user's own name now.
   * @param {function({here: string, typing: string}): void} show  Is given words whenever something changed.
   */
  constructor(roost, name, show) {
    Object.assign(this, { roost, name, show });
    this.leave();
  }

  /** The options with which a room's topic is followed. */
  enter(topic) {
    this.leave();
    this.topic = topic;
    return { presence: true, onPresence: (frame) => topic === this.topic && this.told(frame) };
  }

  leave() {
    clearTimeout(this.quiet);
    this.topic = null;
    this.members = new Map(); // connection → {name, typing, timer}
    this.count = null; // of a room with too many members to name
    this.saidAt = 0;
    this.show({ here: "", typing: "" });
  }

  told({ event, data }) {
    if (event === "count") this.count = data.members;
    else if (event === "leave") this.forget(data.connection);
    else this.remember(data);
    // One's own coming: at a new node too, after a move. What is asked now fits what is told next.
    if (event === "join" && data.connection === this.roost.session?.sessionId) this.arrived();
    this.render();
  }

  async arrived() {
    const { topic } = this;
    try {
      const [list] = await Promise.all([this.roost.request("presence", { topicName: topic }, { once: true }), this.say()]);
      if (topic !== this.topic) return;
      for (const connection of [...this.members.keys()]) this.forget(connection);
      this.count = list.members ? null : list.count;
      for (const member of list.members ?? []) this.remember(member);
      this.render();
    } catch {
      // The node went, or the room was left: the next arrival asks again.
    }
  }

  /** Says who one is, and whether one types. */
  say(typing = false) {
    const state = { name: this.name(), typing };
    return this.roost.request("set-presence", { topicName: this.topic, state }, { once: true });
  }

  /** The user has changed what is not sent yet; `text` is that now. */
  typed(text) {
    if (!this.topic || !this.roost.session) return;
    clearTimeout(this.quiet);
    const typing = text.trim() !== "";
    if (typing) this.quiet = setTimeout(() => this.typed(""), TYPING_SHOWN_MS);
    if (typing === this.saidAt > 0 && Date.now() - this.saidAt < TYPING_SAID_MS) return;
    if (!typing && this.saidAt === 0) return;
    this.saidAt = typing ? Date.now() : 0;
    this.say(typing).catch(() => {}); // The node went: it says so again when it types on.
  }

  remember({ connection, user, state }) {
    this.forget(connection);
    const { name = user || "someone", typing = false } = Object(state);
    const timer = typing && setTimeout(() => { this.members.get(connection).typing = false; this.render(); }, TYPING_SHOWN_MS);
    this.members.set(connection, { name: String(name), typing: typing === true, timer });
  }

  forget(connection) {
    clearTimeout(this.members.get(connection)?.timer);
    this.members.delete(connection);
  }

  render() {
    const own = this.roost.session?.sessionId;
    const others = [...this.members].filter(([connection]) => connection !== own).map(([, member]) => member);
    const names = others.map((member) => member.name).sort((a, b) => a.localeCompare(b));
    const more = names.length - NAMES_SHOWN;
    const shown = ["you", ...names.slice(0, NAMES_SHOWN), ...(more > 0 ? [`${more} more`] : [])].join(", ");
    const typists = others.filter((member) => member.typing).map((member) => member.name);
    const typing = typists.length > 3 ? "Several people are" : `${typists.join(" and ")} ${typists.length > 1 ? "are" : "is"}`;
    this.show({
      here: this.count === null ? `Here: ${shown}` : `${this.count} are here`,
      typing: typists.length ? `${typing} typing…` : "",
    });
  }
}
