// The sandbox's inbox. Texts can come from anyone, so they become text nodes and never HTML.

const PAGE = 50;
const REFRESH_MS = 250; // changes within this time are shown together
const SEARCH_MS = 150;
const PENDING_SHOWN = 100;
const LANGUAGES = { 0: "English", 64: "Arabic" };
const MAIN_SETTINGS = {
  credit: "Credit (parts left)",
  expires_at: "Account expires (Oman time)",
  credit_expires_at: "Credit expires (Oman time)",
  locked: "Locked",
  headers: "Registered sender ids, one a line (none: any)",
  opted_out: "Opted-out numbers, one a line",
};
const VIEWS = { messages: showMessages, calls: showCalls, account: showAccount, faults: showFaults };

const $ = (id) => document.getElementById(id);
const omanTime = new Intl.DateTimeFormat("en-GB", { timeZone: "Asia/Muscat", dateStyle: "medium", timeStyle: "medium" });
const time = (iso) => omanTime.format(new Date(iso));
const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

async function ask(path, method = "GET", body = undefined) {
  const answer = await fetch(`/_sandbox/${path}`, { method, body: body === undefined ? body : JSON.stringify(body) });
  const value = answer.status === 204 ? null : await answer.json();
  if (!answer.ok) throw new Error(value.error);
  return value;
}

// The current view: #messages?msisdn=…&q=…&call=…

function route() {
  const [name, query] = location.hash.slice(1).split("?");
  return { name: name in VIEWS ? name : "messages", query: new URLSearchParams(query) };
}

function link(name, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value);
  return `#${name}${given.length ? "?" : ""}${new URLSearchParams(given)}`;
}

// Loading: changes start at most one load at a time; a user's action starts one immediately.

const shown = { phones: PAGE, messages: PAGE, calls: PAGE };
let turn = 0, busy = false, stale = false, held = false, timer = 0;

async function load() {
  const mine = ++turn;
  busy = true;
  stale = false;
  try {
    await VIEWS[route().name](() => mine === turn);
    if (mine === turn) complain("");
  } catch (error) {
    complain(error.message);
  } finally {
    if (mine === turn) {
      busy = false;
      if (stale) loadSoon();
    }
  }
}

function loadSoon() {
  stale = true;
  if (busy || timer || held || paused()) return;
  timer = setTimeout(() => {
    timer = 0;
    if (stale && !busy && !held) load();
  }, REFRESH_MS);
}

const paused = () => $("pause").ariaPressed === "true";

function complain(text) {
  $("error").textContent = text;
  $("error").hidden = !text;
}

function act(work) {
  return async (event) => {
    event.preventDefault();
    try {
      await work(event);
      await load();
    } catch (error) {
      complain(error.message);
    }
  };
}

function navigate() {
  const { name, query } = route();
  for (const view of Object.keys(VIEWS)) $(view).hidden = view !== name;
  for (const tab of document.querySelectorAll("nav a")) {
    if (tab.hash === `#${name}`) tab.ariaCurrent = "page";
    else tab.removeAttribute("aria-current");
  }
  for (const input of $("search")) if (input !== document.activeElement) input.value = query.get(input.name) ?? "";
  $("messages").classList.toggle("open", query.has("msisdn"));
  if ($("list").contains(document.activeElement) && !$("list").offsetParent) $("back").focus(); // a narrow screen
  return load();
}

// Messages

const phoneRows = new Map();
let conversation = "";

function filter() {
  const { query } = route();
  return { q: query.get("q"), call: query.get("call") };
}

async function showMessages(current) {
  const msisdn = route().query.get("msisdn");
  const [list, talk] = await Promise.all([
    ask(`inbox/phones${link("", { ...filter(), limit: shown.phones }).slice(1)}`),
    msisdn && ask(`inbox/conversation${link("", { ...filter(), msisdn, limit: shown.messages }).slice(1)}`),
  ]);
  if (!current()) return;
  showPhones(list, msisdn);
  showConversation(talk, msisdn);
}

function showPhones({ total, phones }, msisdn) {
  const rows = phones.map((phone) => phoneRow(phone, phone.msisdn === msisdn));
  const list = $("phones");
  if (rows.length !== list.children.length || rows.some((row, position) => row !== list.children[position])) {
    const focused = document.activeElement;
    list.replaceChildren(...rows);
    if (list.contains(focused)) focused.focus({ preventScroll: true });
    for (const [number, row] of phoneRows) if (!row.isConnected) phoneRows.delete(number);
  }
  $("phones-total").textContent = total ? count(total, "phone") : "";
  $("more-phones").hidden = total <= phones.length;
  const { q, call } = filter();
  $("empty").textContent = q || call ? "No message matches." : "No messages. Point Airflow at the sandbox and run a DAG.";
  $("empty").hidden = total > 0;
}

function phoneRow({ msisdn, count: messages, last }, selected) {
  let row = phoneRows.get(msisdn);
  if (!row) {
    const button = element("button", { type: "button" },
      element("span", { className: "number", textContent: msisdn }),
      element("span", { className: "count" }),
      element("span", { className: "last", dir: "auto" }));
    button.addEventListener("click", () => open(msisdn));
    row = element("li", {}, button);
    phoneRows.set(msisdn, row);
  }
  const [button] = row.children;
  button.children[1].textContent = count(messages, "message");
  button.children[2].textContent = last.text;
  if (selected) button.ariaCurrent = "true";
  else button.removeAttribute("aria-current");
  return row;
}

function open(msisdn) {
  shown.messages = PAGE;
  location.hash = link("messages", { msisdn, ...filter() });
}

function showConversation(talk, msisdn) {
  $("phone").textContent = msisdn ?? "";
  $("back").href = link("messages", filter());
  $("conversation-total").textContent = talk ? count(talk.total, "message") : "Choose a phone.";
  $("more-messages").hidden = !talk || talk.total <= talk.messages.length;
  const messages = talk ? talk.messages : [];
  const now = JSON.stringify([msisdn, messages]);
  if (now === conversation) return;
  const box = $("bubbles");
  const fromEnd = box.scrollHeight - box.scrollTop;
  const follow = fromEnd - box.clientHeight < 40 || box.dataset.msisdn !== String(msisdn);
  const isEarlier = box.scrollTop < 200 && !follow;
  const top = box.scrollTop;
  $("texts").replaceChildren(...messages.map(bubble));
  box.scrollTop = follow ? box.scrollHeight : isEarlier ? box.scrollHeight - fromEnd : top;
  box.dataset.msisdn = msisdn;
  conversation = now;
}

function bubble(message) {
  const { segments, parts, call, lang, header } = message;
  const content = parts === 1 ? [message.text] : segments.map((text, n) => {
    const segment = element("span", { className: "segment" }, text);
    segment.dataset.part = `${n + 1}/${parts}`;
    return segment;
  });
  const facts = element("div", { className: "facts" },
    element("span", {}, time(message.accepted_at)),
    element("span", {}, LANGUAGES[lang]),
    element("span", {}, count(parts, "part")),
    element("a", { href: link("messages", { call }) }, `Call ${call}`));
  if (message.flash) facts.append(element("span", { className: "mark" }, "Flash"));
  if (message.push_at) {
    const word = message.state === "scheduled" ? "Scheduled for" : "Was due";
    facts.append(element("span", { className: "mark" }, `${word} ${time(message.push_at)}`));
  }
  if (header !== null) facts.append(element("span", {}, "From "), element("bdi", {}, header));
  const classes = [message.flash && "flash", message.state === "scheduled" && "scheduled"].filter(Boolean);
  return element("li", { className: classes.join(" ") }, element("p", { className: "text", dir: "auto" }, ...content), facts);
}

// Calls

async function showCalls(current) {
  const trouble = $("trouble").checked && "1";
  const { total, calls } = await ask(`inbox/calls${link("", { limit: shown.calls, trouble }).slice(1)}`);
  if (!current()) return;
  $("call-rows").replaceChildren(...calls.map(callRow));
  $("calls-total").textContent = count(total, "call");
  $("more-calls").hidden = total <= calls.length;
}

function callRow(call) {
  const number = call.accepted ? element("a", { href: link("messages", { call: call.number }) }, call.number) : call.number;
  const what = [call.fault && `Fault ${call.fault}: ${call.fault_meaning}`, call.meaning].filter(Boolean).join(" ");
  const cells = [number, time(call.at), call.answered ?? "none", call.numbers, call.accepted, what];
  const className = call.answered === 1 ? "" : "refused";
  return element("tr", { className }, ...cells.map((cell) => element("td", {}, cell)));
}

// Account: a field that the user is editing keeps its content.

const settings = new Map(); // by name: the input, and the content that was last written to it

async function showAccount(current) {
  const now = await ask("account");
  if (!current()) return;
  for (const name of Object.keys({ ...MAIN_SETTINGS, ...now })) {
    if (!settings.has(name)) settings.set(name, { input: settingInput(name, now[name]) });
    else if (isChanged(name)) continue;
    write(name, now[name]);
  }
}

function settingInput(name, value) {
  const isFlag = typeof value === "boolean";
  const kind = isFlag ? { type: "checkbox" } : name.endsWith("_at") ? { type: "datetime-local", step: 1 }
    : { type: "number", min: 0, step: "any" };
  const input = Array.isArray(value) ? element("textarea", { name }) : element("input", { name, ...kind });
  const label = element("label", { className: isFlag ? "flag" : "" }, element("span", {}, MAIN_SETTINGS[name] ?? name), input);
  $(name in MAIN_SETTINGS ? "main-settings" : "more-settings").append(label);
  return input;
}

// Oman has UTC+4 all year; the sandbox reads a time without an offset as Oman time.
const toOman = (iso) => new Date(Date.parse(iso) + 4 * 3600e3).toISOString().slice(0, 19);
const content = (input) => (input.type === "checkbox" ? String(input.checked) : input.value);
const isChanged = (name) => content(settings.get(name).input) !== settings.get(name).written;

function write(name, value) {
  const { input } = settings.get(name);
  if (input.type === "checkbox") input.checked = value;
  else if (Array.isArray(value)) input.value = value.join("\n");
  else input.value = value && input.type === "datetime-local" ? toOman(value) : value ?? "";
  settings.get(name).written = content(input);
}

function read(input) {
  if (input.type === "checkbox") return input.checked;
  if (input.type === "textarea") return input.value.split("\n").map((line) => line.trim()).filter(Boolean);
  if (input.type === "text") return input.value;
  if (input.value === "") return null;
  return input.type === "number" ? Number(input.value) : input.value;
}

async function saveAccount() {
  const changed = [...settings.keys()].filter(isChanged);
  const values = Object.fromEntries(changed.map((name) => [name, read(settings.get(name).input)]));
  const now = await ask("account", "PATCH", values);
  for (const name of changed) write(name, now[name]);
  $("saved").textContent = changed.length ? `Saved: ${changed.join(", ")}.` : "Nothing was changed.";
}

// Faults

const LEAVE_ALONE = { fault: "", about: "One call gets no fault.", fields: {} };
let kinds = null;

async function showFaults(current) {
  const [pending, found] = await Promise.all([ask("faults"), kinds ?? ask("inbox/faults")]);
  if (!current()) return;
  if (!kinds) {
    kinds = [...found, LEAVE_ALONE];
    $("kind").replaceChildren(...kinds.map(({ fault }) => element("option", { value: fault }, fault || "none")));
    chooseFault();
  }
  const lines = pending.slice(0, PENDING_SHOWN).map((fault) => element("li", {}, fault ? described(fault) : "none"));
  if (pending.length > PENDING_SHOWN) lines.push(element("li", {}, `and ${pending.length - PENDING_SHOWN} more`));
  $("pending").replaceChildren(...lines);
  $("no-faults").hidden = pending.length > 0;
  $("clear-faults").hidden = !pending.length;
}

function described({ fault, ...fields }) {
  return `${fault} ${Object.entries(fields).map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(" ")}`;
}

const chosenKind = () => kinds.find(({ fault }) => fault === $("kind").value);

function chooseFault() {
  const { about, fields } = chosenKind();
  $("about").textContent = about;
  $("fault-fields").replaceChildren(...Object.entries(fields).map(([name, value]) => {
    const isFlag = typeof value === "boolean";
    const isNumber = typeof value === "number" || ["seconds", "status", "code"].includes(name);
    const input = element("input", { name, type: isFlag ? "checkbox" : isNumber ? "number" : "text", step: "any" });
    if (isFlag) input.checked = value;
    else input.value = name === "headers" ? "{}" : value ?? "";
    const text = name === "accept" ? "accept: the gateway accepts the call first" : name === "headers" ? "headers, as JSON" : name;
    return element("label", { className: isFlag ? "flag" : "" }, element("span", {}, text), input);
  }));
}

async function addFault() {
  const fields = [...$("fault-fields").querySelectorAll("input")].filter((input) => input.type !== "number" || input.value);
  const values = fields.map((input) => [input.name, input.name === "headers" ? JSON.parse(input.value) : read(input)]);
  const { fault } = chosenKind();
  await ask("faults", "POST", fault ? { fault, ...Object.fromEntries(values) } : [null]);
}

// Signals from the sandbox

let run = "";
const signals = new EventSource("/_sandbox/inbox/signals");
signals.addEventListener("open", () => live("Live"));
signals.addEventListener("error", () => live("Disconnected"));
signals.addEventListener("message", ({ data }) => {
  const now = JSON.parse(data);
  for (const name of ["messages", "calls", "faults", "credit"]) $(`count-${name}`).textContent = now[name].toLocaleString("en");
  if (run && run !== now.run) Object.assign(shown, { phones: PAGE, messages: PAGE, calls: PAGE });
  run = now.run;
  loadSoon();
});

function live(text) {
  $("live").textContent = text;
  $("live").classList.toggle("on", text === "Live");
}

// User actions

function more(button, list) {
  $(button).addEventListener("click", () => {
    shown[list] += PAGE;
    load();
  });
}
more("more-phones", "phones");
more("more-messages", "messages");
more("more-calls", "calls");

let searching = 0;
function search(event) {
  event.preventDefault();
  clearTimeout(searching);
  searching = setTimeout(() => {
    shown.phones = PAGE;
    const { q, call } = Object.fromEntries(new FormData($("search")));
    history.replaceState(null, "", link("messages", { msisdn: route().query.get("msisdn"), q, call }));
    load();
  }, SEARCH_MS);
}
$("search").addEventListener("input", search);
$("search").addEventListener("submit", search);
$("trouble").addEventListener("change", load);
$("settings").addEventListener("submit", act(saveAccount));
$("settings").addEventListener("input", () => { $("saved").textContent = ""; });
$("kind").addEventListener("change", chooseFault);
$("fault").addEventListener("submit", act(addFault));
$("clear-faults").addEventListener("click", act(() => ask("faults", "DELETE")));
$("reset").addEventListener("click", act(async () => {
  if (confirm("Forget all messages, calls and faults, and restore the account?")) await ask("reset", "POST");
}));
$("pause").addEventListener("click", () => {
  $("pause").ariaPressed = String(!paused());
  if (!paused()) load();
});

// Lists do not move while the pointer is pressed.
addEventListener("pointerdown", () => { held = true; });
for (const end of ["pointerup", "pointercancel"]) {
  addEventListener(end, () => {
    held = false;
    if (stale) loadSoon();
  });
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isTyping = event.target.matches("input, textarea, select");
  if (event.key === "/" && !isTyping) {
    event.preventDefault();
    location.hash = link("messages", Object.fromEntries(route().query));
    $("search").elements.q.focus();
  } else if (event.key === "Escape" && !isTyping && route().query.has("msisdn")) {
    const row = phoneRows.get(route().query.get("msisdn"));
    location.hash = link("messages", filter());
    requestAnimationFrame(() => row?.firstChild.focus());
  } else if (["ArrowDown", "ArrowUp"].includes(event.key) && $("list").contains(event.target) && event.target.type !== "number") {
    event.preventDefault();
    const stops = [$("search").elements.q, ...$("phones").querySelectorAll("button")];
    stops[stops.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
  }
});
addEventListener("hashchange", navigate);
navigate();
