// Painting

function effects() {
  const { plane, value } = facts.classes[now.chosen], settled = [now.mask.unsurePlane, 0];
  return { brush: [[plane, value], settled], eraser: [[plane, 0], settled], settle: [settled],
    unsure: [[now.mask.unsurePlane, 1]] }[now.tool];
}

const diameter = () => Number(at("size").value);

function paint(from, to) { view.colour(now.mask.stroke(from, to, diameter(), effects())); }

function change(box) {
  if (box) view.colour(box === true ? undefined : box);
  say("");
  tellChanges();
}

function begin(event) {
  if (!now.mask || now.drag || now.isBusy) return;
  const moves = event.button === 1 || event.shiftKey || now.tool === "move";
  if (!moves && event.button !== 0) return;
  at("canvas").setPointerCapture(event.pointerId);
  now.drag = { id: event.pointerId, moves, from: place(event), x: event.clientX, y: event.clientY };
  if (moves) return;
  now.mask.begin();
  paint(now.drag.from, now.drag.from);
}

function place(event) {
  const box = at("canvas").getBoundingClientRect(), edge = at("canvas").clientLeft;
  return view.place(event.clientX - box.left - edge, event.clientY - box.top - edge);
}

function move(event) {
  if (!now.mask) return;
  view.brush = now.tool === "move" ? null : { ...place(event), diameter: diameter() };
  view.draw();
  if (now.drag?.id !== event.pointerId) return;
  if (now.drag.moves) view.pan(event.clientX - now.drag.x, event.clientY - now.drag.y);
  Object.assign(now.drag, { x: event.clientX, y: event.clientY });
  if (now.drag.moves) return;
  for (const each of event.getCoalescedEvents?.().concat(event) ?? [event]) {
    const to = place(each);
    paint(now.drag.from, to);
    now.drag.from = to;
  }
}

function end(event) {
  if (now.drag?.id !== event.pointerId) return;
  const { moves } = now.drag;
  now.drag = null;
  if (!moves) { now.mask.end(); change(null); }
}

function turn(event) {
  event.preventDefault();
  const box = at("canvas").getBoundingClientRect();
  if (event.ctrlKey) view.zoom(Math.exp(-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
  else if (event.deltaY) resize(event.deltaY < 0 ? 1 : -1);
}

function resize(direction) {
  at("size").value = diameter() + direction * Math.max(1, Math.round(diameter() / 6));
  tellRanges();
}

function tellRanges() {
  at("size-told").textContent = `${diameter()} px`;
  at("opacity-told").textContent = `${at("opacity").value} %`;
  view.opacity = at("opacity").value / 100;
  if (view.brush) view.brush.diameter = diameter();
  view.draw();
}

// The brush by keyboard, on the image
function nudge(event) {
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (!now.mask || event.ctrlKey || event.metaKey || !(event.key in steps || event.key === " ")) return;
  event.preventDefault();
  const { width, height } = now.mask, [dx, dy] = (steps[event.key] ?? [0, 0]).map((each) => each * (event.shiftKey ? 10 : 1));
  const { x, y } = view.brush ?? { x: width / 2, y: height / 2 };
  const clipped = (value, most) => Math.min(most - 1, Math.max(0, Math.floor(value))) + 0.5;
  view.brush = { x: clipped(x + dx, width), y: clipped(y + dy, height), diameter: diameter() };
  if (event.key === " " && now.tool !== "move" && !now.drag && !now.isBusy) {
    now.mask.begin();
    paint(view.brush, view.brush);
    now.mask.end();
    change(null);
  }
  view.draw();
}
