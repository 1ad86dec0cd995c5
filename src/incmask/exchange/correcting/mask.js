"use strict";
// A label as bytes, with what was done to it. Ids stay bytes from the server and back: no canvas, no colour between.
class Mask {
  static MOST_KEPT = 1 << 24; // bytes that changes may take back

  // bytes: a plane of ids, or one of 0 and 1 for each class, and last one of the unsure pixels.
  constructor(bytes, width, height) {
    Object.assign(this, { bytes, width, height, done: [], undone: [], open: null, saved: undefined });
    this.size = width * height;
    this.numPlanes = bytes.length / this.size;
  }

  get unsurePlane() { return this.numPlanes - 1; }
  get isChanged() { return this.open !== null || this.done.at(-1) !== this.saved; }

  equals(other) { return this.bytes.every((value, at) => value === other[at]); }

  keep() { this.saved = this.done.at(-1); }

  begin() { this.open = { at: [], before: [], box: null }; }

  // End a change; give whether it changed anything.
  end() {
    const change = this.open;
    this.open = null;
    if (!change || !change.at.length) return false;
    this.done.push({ at: Uint32Array.from(change.at), values: Uint8Array.from(change.before), box: change.box });
    this.undone = [];
    let kept = 0;
    const first = this.done.findLastIndex((each) => (kept += each.at.length) > Mask.MOST_KEPT);
    if (first > 0) this.done.splice(0, first);
    if (first > 0 && !this.done.includes(this.saved)) this.saved = null;
    return true;
  }

  undo() { return this.#move(this.done, this.undone); }
  redo() { return this.#move(this.undone, this.done); }

  #move(from, to) {
    const change = from.pop();
    if (!change) return null;
    change.at.forEach((at, index) => {
      const value = this.bytes[at];
      this.bytes[at] = change.values[index];
      change.values[index] = value;
    });
    to.push(change);
    return change.box;
  }

  // Paint what lies within a brush that goes from one pixel to another. effects: [plane, value] each.
  stroke(from, to, diameter, effects) {
    const [x0, y0, x1, y1] = [from.x, from.y, to.x, to.y].map(Math.floor);
    const radius = diameter / 2, reach = Math.floor(radius);
    const box = this.#inside(Math.min(x0, x1) - reach, Math.min(y0, y1) - reach,
      Math.max(x0, x1) + reach + 1, Math.max(y0, y1) + reach + 1);
    const dx = x1 - x0, dy = y1 - y0, length = dx * dx + dy * dy;
    for (let y = box.top; y < box.bottom; y++) {
      for (let x = box.left; x < box.right; x++) {
        const along = length ? Math.min(1, Math.max(0, ((x - x0) * dx + (y - y0) * dy) / length)) : 0;
        const aside = x - x0 - along * dx, below = y - y0 - along * dy;
        if (aside * aside + below * below <= radius * radius) this.#set(y * this.width + x, effects);
      }
    }
    this.#grow(box);
    return box;
  }

  // Let all bytes of a range be others. values: gives the byte at a place.
  replace(first, last, values) {
    this.begin();
    for (let at = first; at < last; at++) this.#put(at, values(at));
    this.#grow(this.#inside(0, 0, this.width, this.height));
    return this.end();
  }

  #set(pixel, effects) { for (const [plane, value] of effects) this.#put(plane * this.size + pixel, value); }

  #put(at, value) {
    if (this.bytes[at] === value) return;
    this.open.at.push(at);
    this.open.before.push(this.bytes[at]);
    this.bytes[at] = value;
  }

  #inside(left, top, right, bottom) {
    return { left: Math.max(0, left), top: Math.max(0, top),
      right: Math.min(this.width, right), bottom: Math.min(this.height, bottom) };
  }

  #grow(box) {
    const old = this.open.box ?? box;
    this.open.box = { left: Math.min(old.left, box.left), top: Math.min(old.top, box.top),
      right: Math.max(old.right, box.right), bottom: Math.max(old.bottom, box.bottom) };
  }
}
