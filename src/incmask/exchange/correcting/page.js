// The page: what is pressed, drawn and dragged, and what is asked of the server.
const at = (id) => document.getElementById(id);
const facts = JSON.parse(at("facts").textContent);
const view = new View(at("canvas"), facts);
const now = { index: 0, tool: "brush", chosen: 0, mask: null, models: null, isBusy: false, asked: "", drag: null };
const ENDED = "The server does not answer: was `incmask correct` ended? What you saved is there.";

// With the server

async function ask(path, options) {
  let reply;
  try { reply = await fetch(path, options); } catch { throw new Error(ENDED); }
  if (!reply.ok) throw new Error(await reply.text());
  return reply;
}

const bytesOf = async (path) => new Uint8Array(await (await ask(path)).arrayBuffer());

const send = (path, body) =>
  ask(path, { method: "POST", body, headers: { "Content-Type": "application/octet-stream" } });

// Do one thing at a time, and tell where it fails.
async function busy(work) {
  if (now.isBusy || now.mask?.open) return;
  now.isBusy = true;
  document.body.ariaBusy = "true";
  try { await work(); } catch (error) { say(error.message, true); } finally {
    now.isBusy = false;
    document.body.ariaBusy = "false";
  }
}

async function load(index) {
  const { name, width, height, reason, saved } = facts.images[index];
  now.index = index;
  tellPlace();
  at("reason").textContent = reason;
  Object.assign(now, { mask: null, models: null });
  Object.assign(view, { mask: null, image: null });
  at("canvas").ariaLabel = `${name} with its mask, ${width} by ${height} pixels; arrows move the brush, space paints`;
  const [image, label, models] = await Promise.all([
    ask(`image/${index}`).then((reply) => reply.blob()).then(createImageBitmap),
    bytesOf(`label/${index}`),
    saved ? bytesOf(`models/${index}`) : null,
  ]);
  now.models = models ?? label.slice();
  now.mask = new Mask(label, width, height);
  view.show(image, now.mask);
  tellChanges();
  say(saved ? "Saved before; this is what was saved." : "");
}

async function save() {
  await send(`label/${now.index}`, now.mask.bytes);
  now.mask.keep();
  facts.images[now.index].saved = true;
  tellPlace();
  const all = facts.images.map((_, index) => (now.index + 1 + index) % facts.images.length);
  const next = all.find((index) => !facts.images[index].saved);
  if (next === undefined) return say("Saved. All images are saved: Finish ends.");
  await load(next);
  say("Saved.");
}

async function agree() {
  if (!now.mask.equals(now.models)) {
    return say("The mask is not the models' any more: Save takes it as it is, Models' mask takes it back.", true);
  }
  await save();
}

async function finish() {
  const line = await (await send("finish")).text();
  now.mask = view.mask = null;
  const heading = element("h1", `Finished: ${told(facts.images.filter((each) => each.saved).length)} saved`);
  heading.tabIndex = -1;
  const rest = line ? [element("p", "Take them up with this line, and run again:"), element("pre", line)] : [];
  const end = element("main", "");
  end.className = "end";
  end.append(heading, ...rest, element("p", "This page may be closed."));
  document.body.replaceChildren(end);
  heading.focus();
}

// Leave an image; where it has changes that are not saved, only when asked twice.
function leave(how, work) {
  if (now.mask?.isChanged && now.asked !== how) {
    say("Not saved: Save keeps the changes; the same again leaves them.", true);
    now.asked = how;
    return;
  }
  busy(work);
}

function go(index) {
  if (index < 0 || index >= facts.images.length) say(index < 0 ? "This is the first image." : "This is the last image.");
  else leave(`go ${index}`, () => load(index));
  at("images").value = now.index;
}

// What is told

function say(text, isWarning = false) {
  at("status").textContent = text;
  at("status").classList.toggle("warning", isWarning);
  now.asked = "";
}

const told = (num) => (num === 1 ? "1 image" : `${num} images`);

function element(kind, text) {
  const made = document.createElement(kind);
  made.textContent = text;
  return made;
}

function tellPlace() {
  facts.images.forEach((image, index) => {
    const text = `${image.saved ? "✓" : "\u2007"} ${index + 1}. ${image.name}`;
    if (at("images").options[index].text !== text) at("images").options[index].text = text;
  });
  at("images").value = now.index;
  const saved = facts.images.filter((each) => each.saved).length;
  at("count").textContent = `${now.index + 1} of ${facts.images.length}, ${saved} saved`;
}

function tellChanges() {
  at("undo").disabled = !now.mask.done.length;
  at("redo").disabled = !now.mask.undone.length;
}

// Buttons and keys

function chooseTool(tool) {
  now.tool = tool;
  document.querySelector(`[name=tool][value=${tool}]`).checked = true;
  at("canvas").classList.toggle("move", tool === "move");
}

function chooseClass(place) {
  if (!facts.classes[place]) return;
  now.chosen = place;
  document.querySelectorAll("[name=class]")[place].checked = true;
  if (["unsure", "settle", "move"].includes(now.tool)) chooseTool("brush");
  view.first = facts.classes[place].plane;
  if (now.mask) view.colour();
}

function toggleBare() {
  view.isBare = !view.isBare;
  at("bare").ariaPressed = String(view.isBare);
  view.draw();
}

// Let a change of the whole mask be one that can be undone.
function whole(first, last, values) {
  if (now.mask && !now.mask.open && !now.isBusy && now.mask.replace(first, last, values)) change(true);
}

const act = {
  agree: () => now.mask && busy(agree),
  save: () => now.mask && busy(save),
  next: () => go(now.index + 1),
  previous: () => go(now.index - 1),
  finish: () => leave("finish", finish),
  undo: () => now.mask && !now.mask.open && !now.isBusy && change(now.mask.undo()),
  redo: () => now.mask && !now.mask.open && !now.isBusy && change(now.mask.redo()),
  "settle-all": () => whole(now.mask?.unsurePlane * now.mask?.size, now.mask?.bytes.length, () => 0),
  models: () => whole(0, now.mask?.bytes.length, (place) => now.models[place]),
  smaller: () => view.mask && view.zoom(1 / 1.25),
  larger: () => view.mask && view.zoom(1.25),
  fit: () => view.mask && view.fit(),
  bare: toggleBare,
};
const tools = { b: "brush", e: "eraser", u: "unsure", t: "settle", v: "move" };
const keys = { a: act.agree, s: act.save, enter: act.save, n: act.next, p: act.previous, f: act.fit, h: act.bare,
  m: act.models, "+": act.larger, "=": act.larger, "-": act.smaller, "[": () => resize(-1), "]": () => resize(1) };
const withControl = { z: act.undo, y: act.redo, s: act.save };

function press(event) {
  const key = event.key.toLowerCase(), kind = event.target.tagName;
  if (event.altKey || kind === "SELECT" || (key === "enter" && ["BUTTON", "SUMMARY"].includes(kind))) return;
  let work = keys[key] ?? (key in tools ? () => chooseTool(tools[key]) : null);
  if (/^[1-9]$/.test(key)) work = () => chooseClass(Number(key) - 1);
  if (event.ctrlKey || event.metaKey) work = key === "z" && event.shiftKey ? act.redo : withControl[key];
  if (!work || !at("canvas")) return;
  event.preventDefault();
  work();
}

function start() {
  at("run").textContent = facts.run;
  document.title = `Correct ${facts.run}`;
  at("ground").textContent = facts.ground;
  at("images").append(...facts.images.map((_, index) => new Option("", index)));
  facts.classes.forEach(({ name, colour }, place) => at("classes").append(choice(name, colour, place)));
  at("unsure").style.backgroundColor = `rgb(${facts.unsure.colour})`;
  chooseClass(0);
  tellRanges();
  for (const [id, work] of Object.entries(act)) at(id).addEventListener("click", work);
  for (const each of document.querySelectorAll("[name=tool]")) each.addEventListener("change", () => chooseTool(each.value));
  for (const id of ["size", "opacity"]) at(id).addEventListener("input", tellRanges);
  at("images").addEventListener("change", () => go(Number(at("images").value)));
  const on = { pointerdown: begin, pointermove: move, pointerup: end, pointercancel: end, keydown: nudge,
    pointerleave: () => { view.brush = null; view.draw(); } };
  for (const [kind, work] of Object.entries(on)) at("canvas").addEventListener(kind, work);
  at("canvas").addEventListener("wheel", turn, { passive: false });
  document.addEventListener("keydown", press);
  addEventListener("beforeunload", (event) => { if (now.mask?.isChanged) event.preventDefault(); });
  busy(() => load(Math.max(0, facts.images.findIndex((each) => !each.saved))));
}

function choice(name, colour, place) {
  const made = document.createElement("label"), input = document.createElement("input"), text = element("span", name);
  Object.assign(input, { type: "radio", name: "class", value: place });
  input.addEventListener("change", () => chooseClass(place));
  const swatch = element("i", "");
  swatch.className = "swatch";
  swatch.style.backgroundColor = `rgb(${colour})`;
  text.prepend(swatch);
  if (place < 9) text.append(" ", element("kbd", String(place + 1)));
  made.append(input, text);
  return made;
}

start();
