// What is seen: the image, the classes over it, the unsure pixels hatched, and the brush.
class View {
  static STRIP = 256; // rows that are coloured at a time

  constructor(canvas, facts) {
    Object.assign(this, { canvas, facts, opacity: 0.5, isBare: false, brush: null, first: null, waits: false });
    Object.assign(this, { scale: 1, left: 0, top: 0, image: null, mask: null });
    this.context = canvas.getContext("2d");
    this.unsureOnly = document.createElement("canvas");
    this.hatch = hatch();
    new ResizeObserver(() => { if (this.mask) this.fit(); }).observe(canvas);
  }

  show(image, mask) {
    Object.assign(this, { image, mask });
    this.layers = ["classes", "unsure"].map(() => {
      const layer = document.createElement("canvas");
      [layer.width, layer.height] = [mask.width, mask.height];
      return layer.getContext("2d");
    });
    this.colour();
    this.fit();
  }

  // Colour a part of the layers anew, or all of them.
  colour(box = { left: 0, top: 0, right: this.mask.width, bottom: this.mask.height }) {
    const width = box.right - box.left;
    for (let top = box.top; width > 0 && top < box.bottom; top += View.STRIP) {
      const height = Math.min(View.STRIP, box.bottom - top);
      for (const [index, context] of this.layers.entries()) {
        const pixels = new ImageData(width, height);
        this.#fill(new Uint32Array(pixels.data.buffer), box.left, top, width, height, this.#tables(index));
        context.putImageData(pixels, box.left, top);
      }
    }
    this.draw();
  }

  // Give for each plane of a layer the colour of each value, the plane that is seen first last.
  #tables(layer) {
    if (layer) return [[this.mask.unsurePlane, colours([[1, this.facts.unsure.colour]])]];
    const planes = Map.groupBy(this.facts.classes, (each) => each.plane);
    const order = [...planes.keys()].sort((one, other) => (one === this.first) - (other === this.first));
    return order.map((plane) => [plane, colours(planes.get(plane).map((each) => [each.value, each.colour]))]);
  }

  #fill(pixels, left, top, width, height, tables) {
    const { bytes, size, width: across } = this.mask;
    for (const [plane, table] of tables) {
      for (let y = 0; y < height; y++) {
        const row = plane * size + (top + y) * across + left;
        for (let x = 0; x < width; x++) {
          const colour = table[bytes[row + x]];
          if (colour) pixels[y * width + x] = colour;
        }
      }
    }
  }

  fit() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.scale = Math.min(width / this.mask.width, height / this.mask.height);
    this.left = (width - this.scale * this.mask.width) / 2;
    this.top = (height - this.scale * this.mask.height) / 2;
    this.draw();
  }

  // Enlarge about a point of the canvas; without one about its middle.
  zoom(factor, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    const scale = Math.min(64, Math.max(0.02, this.scale * factor));
    this.left = x - (x - this.left) * scale / this.scale;
    this.top = y - (y - this.top) * scale / this.scale;
    this.scale = scale;
    this.draw();
  }

  pan(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.draw();
  }

  // Give the place in the image, in pixels, of a point of the canvas.
  place(x, y) { return { x: (x - this.left) / this.scale, y: (y - this.top) / this.scale }; }

  draw() {
    if (this.waits) return;
    this.waits = true;
    requestAnimationFrame(() => { this.waits = false; if (this.mask) this.#draw(); });
  }

  #draw() {
    const { canvas, context, scale } = this, ratio = devicePixelRatio;
    for (const each of [canvas, this.unsureOnly]) {
      const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
      if (each.width !== width || each.height !== height) [each.width, each.height] = [width, height];
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    const transform = [ratio * scale, 0, 0, ratio * scale, ratio * this.left, ratio * this.top];
    context.setTransform(...transform);
    context.imageSmoothingEnabled = scale < 2;
    context.drawImage(this.image, 0, 0, this.mask.width, this.mask.height);
    if (!this.isBare) this.#drawLayers(transform);
    if (this.brush) this.#drawBrush(ratio);
    canvas.dataset.view = [scale, this.left, this.top].join(" ");
  }

  #drawLayers(transform) {
    const { context } = this, [classes, unsure] = this.layers.map((layer) => layer.canvas);
    context.imageSmoothingEnabled = false;
    context.globalAlpha = this.opacity;
    context.drawImage(classes, 0, 0);
    context.globalAlpha = 1;
    context.setTransform(1, 0, 0, 1, 0, 0);
    const only = this.unsureOnly.getContext("2d");
    only.setTransform(1, 0, 0, 1, 0, 0);
    only.clearRect(0, 0, this.unsureOnly.width, this.unsureOnly.height);
    only.setTransform(...transform);
    only.imageSmoothingEnabled = false;
    only.drawImage(unsure, 0, 0);
    only.setTransform(1, 0, 0, 1, 0, 0);
    only.globalCompositeOperation = "destination-in";
    only.fillStyle = only.createPattern(this.hatch, "repeat");
    only.fillRect(0, 0, this.unsureOnly.width, this.unsureOnly.height);
    only.globalCompositeOperation = "source-over";
    context.drawImage(this.unsureOnly, 0, 0);
  }

  #drawBrush(ratio) {
    const { context, brush, scale } = this;
    context.setTransform(ratio, 0, 0, ratio, this.left * ratio, this.top * ratio);
    for (const [colour, width] of [["#000000", 3], ["#ffffff", 1.2]]) {
      context.beginPath();
      context.arc((Math.floor(brush.x) + 0.5) * scale, (Math.floor(brush.y) + 0.5) * scale,
        Math.max(2, brush.diameter / 2 * scale), 0, 2 * Math.PI);
      Object.assign(context, { strokeStyle: colour, lineWidth: width });
      context.stroke();
    }
  }
}

// Give the colour of each byte as the four bytes of a pixel; 0 where nothing is drawn.
function colours(pairs) {
  const table = new Uint32Array(256);
  const bytes = new Uint8Array(table.buffer);
  for (const [value, colour] of pairs) bytes.set([...colour, 255], 4 * value);
  return table;
}

// Give a tile of slanted lines, faint between them.
function hatch() {
  const tile = document.createElement("canvas");
  [tile.width, tile.height] = [8, 8];
  const pixels = new ImageData(8, 8);
  for (let at = 0; at < 64; at++) pixels.data[4 * at + 3] = ((at % 8) + (at >> 3)) % 8 < 3 ? 235 : 45;
  tile.getContext("2d").putImageData(pixels, 0, 0);
  return tile;
}
