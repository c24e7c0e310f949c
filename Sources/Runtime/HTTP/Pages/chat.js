/**
 * The chat page: rooms are the topics `chat/<room>`. What keeps it attached is in roost.js; this file shows it.
 */
import { People } from "/people.js";
import { Roost, RoostError } from "/roost.js";

/** How many messages of a room are shown on joining it. */
const HISTORY = 200;
/** How many messages the page keeps; older ones leave it. */
const SHOWN_LIMIT = 2_000;
/** How often the list of nodes is asked for, in milliseconds. */
const NODES_PERIOD_MS = 3_000;

const find = (id) => document.getElementById(id);
const secure = location.protocol === "https:";
const token = new URLSearchParams(location.search).get("token") ?? undefined;
const roost = new Roost({ nodes: [`${secure ? "wss" : "ws"}://${location.host}`], token });

let room = null; // the room shown
let subscription = null;
let entered = Promise.resolve(); // settles when the room shown has been joined, or could not be
let attachedTo = null; // {node, url}, what answered last
let members = [];
const people = new People(roost, () => find("name").value, ({ here, typing }) => {
  find("here").textContent = here;
  find("typing").textContent = typing;
});

// Nodes

roost.on("attached", ({ node, url }) => {
  attachedTo = { node, url };
  showStatus("attached", `Attached to ${node}`);
  refreshNodes();
  refreshRooms();
});
roost.on("detached", ({ node }) => showStatus("detached", `${node} went away: looking for another node…`));
roost.on("error", (error) => notify(error instanceof RoostError ? `${error.message} (${error.code})` : String(error)));

function showStatus(state, words) {
  find("status").dataset.state = state;
  find("status").textContent = words;
  showNodes();
}

/** The address of a member's front as this browser reaches it, or null. */
function addressOf(member) {
  const listen = secure ? member.tlsListen : member.listen;
  if (!listen) return null;
  const host = listen.replace(/^(0\.0\.0\.0|\[::\])(?=:)/, location.hostname);
  return `${secure ? "wss" : "ws"}://${host}`;
}

/** Asks the node that we are attached to which nodes there are, so that another is known when it goes. */
async function refreshNodes() {
  const base = new URL("/api/v1/cluster", (attachedTo?.url ?? location.href).replace(/^ws/, "http"));
  if (token) base.searchParams.set("token", token);
  try {
    const answer = await fetch(base, { signal: AbortSignal.timeout(NODES_PERIOD_MS) });
    if (!answer.ok) return;
    members = (await answer.json()).members;
    const known = members.filter((member) => member.state !== "left").map(addressOf).filter(Boolean);
    roost.setNodes([...new Set([attachedTo?.url, ...known, ...roost.nodes].filter(Boolean))]);
  } catch {
    return; // The node is going away: the client moves to another, which is asked next time.
  }
  showNodes();
}

function showNodes() {
  const attached = find("status").dataset.state === "attached";
  const nameOf = (member) => member.name || member.id;
  members.sort((a, b) => nameOf(a).localeCompare(nameOf(b), undefined, { numeric: true }));
  find("nodes").replaceChildren(...members.map((member) => {
    const name = nameOf(member);
    const current = attached && (attachedTo.node === name || attachedTo.node === member.id);
    const item = element("li", "", `${name} (${member.state}${current ? ", attached" : ""})`);
    item.dataset.state = member.state;
    if (current) item.setAttribute("aria-current", "true");
    return item;
  }));
}

// Rooms

/** The room that the address names: what follows `#`. */
function roomOfAddress() {
  try {
    return decodeURIComponent(location.hash.slice(1)) || "lobby";
  } catch {
    return "lobby";
  }
}

function enter() {
  const wanted = roomOfAddress();
  if (wanted === room) return;
  room = wanted;
  entered = join(wanted);
}

async function join(wanted) {
  const topic = `chat/${wanted}`;
  find("title").textContent = `# ${wanted}`;
  find("messages").replaceChildren();
  find("notice").hidden = true;
  const previous = subscription;
  subscription = null;
  people.leave();
  try {
    await previous?.unsubscribe();
    const joined = await follow(topic, wanted);
    if (room === wanted) subscription = joined;
    else await joined.unsubscribe(); // another room was entered meanwhile
  } catch (error) {
    if (room === wanted) notify(`The room could not be joined: ${error.message}`);
  }
  refreshRooms();
}

/** Follows a room's topic, and creates it when nobody has yet. */
async function follow(topic, wanted) {
  const options = {
    ...people.enter(topic),
    since: { last: HISTORY },
    onEvent: (event) => room === wanted && showMessage(event),
    onGap: (gap) => room === wanted && showGap(gap),
  };
  try {
    return await roost.subscribe(topic, options);
  } catch (error) {
    if (error.code !== "TOPIC_NOT_FOUND") throw error;
  }
  await roost.createTopic(topic).catch((error) => {
    if (!["TOPIC_EXISTS", "DETACHED"].includes(error.code)) throw error;
  });
  return roost.subscribe(topic, options);
}

async function refreshRooms() {
  let names = [];
  try {
    const { topics } = await roost.listTopics({ filter: "chat/+", limit: 200 });
    names = topics.map((topic) => topic.name ?? topic.topicName ?? topic).map((name) => name.slice("chat/".length));
  } catch (error) {
    if (error.code !== "DETACHED") notify(error.message);
  }
  find("rooms").replaceChildren(...[...new Set([room, ...names])].sort().map((name) => {
    const link = element("a", "", name);
    link.href = `#${encodeURIComponent(name)}`;
    if (name === room) link.setAttribute("aria-current", "page");
    const item = element("li");
    item.append(link);
    return item;
  }));
}

// Messages

function showMessage(event) {
  const { name = event.user ?? "someone", text = event.data } = Object(event.data);
  const item = element("li", name === find("name").value ? "message mine" : "message");
  item.dataset.id = event.id;
  item.dataset.time = event.timestamp;
  const time = element("time", "", new Date(event.timestamp).toLocaleTimeString());
  time.dateTime = event.timestamp;
  const words = typeof text === "string" ? text : JSON.stringify(text);
  item.append(element("span", "sender", String(name)), time, element("div", "text", words));
  insert(item);
}

function showGap(gap) {
  const count = gap.to === undefined ? "Some" : gap.to - gap.from + 1;
  insert(element("li", "lost", `${count} messages are lost (${gap.reason}).`));
}

/** Puts an item where its time says: after a move to another node, older messages may still come. */
function insert(item) {
  const list = find("messages");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  let after = list.lastElementChild;
  while (item.dataset.time && after?.dataset.time > item.dataset.time) after = after.previousElementSibling;
  if (after) after.after(item);
  else list.prepend(item);
  while (list.childElementCount > SHOWN_LIMIT) list.firstElementChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

async function send(topic, message, item, messageId) {
  const state = item.querySelector(".state");
  state.textContent = "sending…";
  try {
    await entered; // the first to enter a room creates its topic
    await roost.publish(topic, message, { ack: "stored", messageId });
    item.remove();
  } catch (error) {
    const again = element("button", "", "Try again");
    again.type = "button";
    // The same message id: if it had arrived after all, it is not said twice.
    again.onclick = () => send(topic, message, item, error.messageId);
    state.replaceChildren(`Not sent: ${error.message} `, again);
  }
}

// The page

function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function notify(words) {
  find("notice").textContent = words;
  find("notice").hidden = false;
  setTimeout(() => { if (find("notice").textContent === words) find("notice").hidden = true; }, 8_000);
}

/** The name is kept where the browser lets a page keep anything. */
function remember(name) {
  try {
    if (name === undefined) return localStorage.getItem("roost-name");
    localStorage.setItem("roost-name", name);
  } catch {
    // Storage is switched off: the name lasts as long as the page.
  }
  return name;
}

find("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  const [name, text] = [find("name").value.trim(), find("text").value];
  if (!name || !text.trim()) return;
  const item = element("li");
  item.append(element("div", "text", text), element("span", "state"));
  find("pending").append(item);
  find("text").value = "";
  people.typed("");
  send(`chat/${room}`, { name, text }, item);
});
find("text").addEventListener("input", () => people.typed(find("text").value));
find("name").addEventListener("change", () => {
  remember(find("name").value);
  if (subscription && roost.session) people.say().catch(() => {}); // at the next node it is said anew
});
find("join").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = find("room").value.trim().replace(/[/,+#]+/g, "-");
  if (name) location.hash = encodeURIComponent(name);
  find("room").value = "";
});
window.addEventListener("hashchange", enter);

find("name").value = remember() ?? `guest-${Math.floor(Math.random() * 9_000) + 1_000}`;
setInterval(refreshNodes, NODES_PERIOD_MS);
enter();
