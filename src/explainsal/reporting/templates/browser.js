"use strict";
(() => {
  const data = JSON.parse(document.getElementById("browser-data").textContent);
  const at = (id) => document.getElementById(id);
  const state = { preset: data.presets.at(-1), image: null, layer: 0, map: 0 };
  const pictures = new Map();      // index -> promise of its grey values

  function element(name, attributes = {}, ...children) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  }

  const show = (value, digits = 2) => value === null || value === undefined ? "–" : value.toFixed(digits).replace("-", "−");
  const plain = (value) => value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
  const compact = (value) => value === null ? "–" : plain(value).replaceAll("-", "−");
  const facts = () => state.preset.layers[state.image].find((layer) => layer.layer === state.layer);
  const mapsHere = () => state.preset.maps[state.image]?.[state.layer] ?? [];

  // One group of radio buttons: arrow keys move in it, the browser does the rest.
  function choices(fieldset, name, options, chosen, choose) {
    const legend = fieldset.querySelector("legend");
    fieldset.replaceChildren(legend);
    for (const option of options) {
      const input = element("input", { type: "radio", name, value: option.value });
      input.checked = option.value === String(chosen);
      input.addEventListener("change", () => choose(option.value));
      const content = option.photo ? [element("img", { src: option.photo, alt: "" }), option.label] : [option.label];
      fieldset.append(element("label", {}, input, element("span", {}, ...content)));
    }
  }

  function grayValues(index) {
    if (!pictures.has(index)) {
      pictures.set(index, new Promise((resolve) => {
        const image = new Image();
        image.onload = () => {
          const canvas = element("canvas", { width: image.width, height: image.height });
          const context = canvas.getContext("2d", { willReadFrequently: true });
          context.drawImage(image, 0, 0);
          resolve(context.getImageData(0, 0, image.width, image.height));
        };
        image.src = data.pictures[index];
      }));
    }
    return pictures.get(index);
  }

  async function paint(id, [index, low, high], [from, to], label) {
    const canvas = at(id);
    const turn = String(Number(canvas.dataset.wanted ?? 0) + 1);
    canvas.dataset.wanted = turn;
    const gray = await grayValues(index);
    if (canvas.dataset.wanted !== turn) return;     // another map was picked meanwhile
    canvas.width = gray.width;
    canvas.height = gray.height;
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(gray.width, gray.height);
    for (let i = 0; i < gray.data.length; i += 4) {
      const value = low + (high - low) * gray.data[i] / 255;
      const share = to > from ? Math.min(1, Math.max(0, (value - from) / (to - from))) : 0;
      const color = 3 * Math.round(share * 255);
      pixels.data.set([data.colors[color], data.colors[color + 1], data.colors[color + 2], 255], i);
    }
    context.putImageData(pixels, 0, 0);
    const text = `${label}, ${compact(low)} to ${compact(high)}`;
    canvas.setAttribute("aria-label", text);
    canvas.nextElementSibling.textContent = text;
    canvas.dataset.shown = turn;
  }

  function drawMaps() {
    const entry = mapsHere().find((candidate) => candidate.map === state.map);
    if (!entry) return;
    const own = ([, low, high]) => [low, high];
    const range = at("same-scale").checked ? () => own(entry.activation) : own;
    paint("activation", entry.activation, range(entry.activation), "Activation");
    paint("reconstruction", entry.reconstruction, range(entry.reconstruction), "Reconstruction");
    drawTerms(entry);
  }

  function drawTerms(entry) {
    const table = at("terms");
    const filters = entry.terms.filter((term) => !isConstant(term));
    const largest = Math.max(...filters.map((term) => Math.abs(term.at(-1))), 1e-30);
    const scales = new Set(filters.map((term) => term[5])).size;
    table.caption.textContent = filters.length
      ? `The ${filters.length} filters of map ${entry.map}${scales > 1 ? `, at ${scales} scales` : ""}, the largest weight first`
      : "No filter of this map is known: it was rebuilt from none, or its terms were not kept.";
    table.classList.toggle("one-scale", scales < 2);
    table.tBodies[0].replaceChildren(...entry.terms.map((term) => termRow(term, largest)));
  }

  // A constant is no filter: it has a weight in the units of the map, and nothing else.
  const isConstant = ([, wavelength, orientation]) => wavelength === null && orientation === null;

  function termRow(term, largest) {
    const [source, wavelength, orientation, sigmaOnF, sigmaTheta, scale, part, weight] = term;
    if (isConstant(term)) {
      return element("tr", {}, element("td"), element("td", { class: "number weight" }, compact(weight)), element("td", { colspan: 5 }, "constant"));
    }
    const picture = element("canvas", { class: "filter", role: "img", "aria-label": orientation === null ? "low-pass filter" : "filter" });
    drawFilter(picture, wavelength, orientation, sigmaOnF, sigmaTheta);
    const bar = element("span", { class: weight < 0 ? "bar negative" : "bar", style: `--share:${Math.abs(weight) / largest}` });
    const octaves = orientation === null ? null : 2 * Math.sqrt(2 / Math.LN2) * Math.abs(Math.log(sigmaOnF));
    const cells = [
      orientation === null ? `σ ${compact(wavelength / 2 / Math.PI)} px` : `${compact(wavelength)} px`,
      orientation === null ? "low-pass" : `${Math.round(orientation * 180 / Math.PI)}°`,
      octaves === null ? "–" : `${octaves.toFixed(1)} oct`,
    ].map((text) => element("td", { class: "number" }, text));
    if (part && part !== (orientation === null ? "even" : "energy")) cells[1].append(element("small", {}, part.replace("_", " ")));
    return element("tr", {}, element("td", {}, picture), element("td", { class: "number weight" }, compact(weight), bar), ...cells,
      element("td", { class: "number scale-column" }, scale === null ? "–" : `×${scale}`), element("td", { class: "source" }, source ?? "–"));
  }

  function drawLayer() {
    const layer = facts();
    const maps = mapsHere();
    at("layer-choice").value = at("layer-depth").value = state.layer;
    at("layer-depth").setAttribute("aria-valuetext", layer.name);
    at("layer-facts").textContent =
      `${layer.name}: ${layer.channels} maps of ${layer.height}×${layer.width}` +
      (layer.dead ? `, ${layer.dead} of them dead` : "") +
      `; correlation ${show(layer.correlation)}, relative MAE ${show(layer.relative_mae)}.`;
    for (const bar of at("layer-bars").children) bar.classList.toggle("chosen", Number(bar.dataset.layer) === state.layer);
    if (!maps.some((entry) => entry.map === state.map)) state.map = maps[0]?.map;
    const options = maps.map((entry) => ({ value: String(entry.map), label: `${entry.map}${entry.kept ? " (in the next pool)" : ""}` }));
    choices(at("map-choice"), "map", options, state.map, (value) => { state.map = Number(value); drawMaps(); });
    drawMaps();
  }

  function pickLayer(layer) {
    state.layer = Number(layer);
    drawLayer();
  }

  function drawImage() {
    const layers = state.preset.layers[state.image];
    at("layer-choice").replaceChildren(...layers.map((layer) => element("option", { value: layer.layer }, `${layer.layer}  ${layer.name}`)));
    at("layer-depth").min = layers[0].layer;
    at("layer-depth").max = layers.at(-1).layer;
    at("layer-bars").replaceChildren(...layers.map((layer) => {
      const bar = element("span", { "data-layer": layer.layer, title: `${layer.name}: correlation ${show(layer.correlation)}`, style: `--share:${Math.max(0, layer.correlation ?? 0)}` });
      bar.addEventListener("click", () => pickLayer(layer.layer));
      return bar;
    }));
    if (!layers.some((layer) => layer.layer === state.layer)) state.layer = layers.at(-1).layer;
    drawLayer();
  }

  function drawPreset() {
    const images = data.images.filter((image) => image.id in state.preset.layers);
    if (!(state.image in state.preset.layers)) state.image = images[0].id;
    choices(at("image-choice"), "image", images.map(({ id, photo }) => ({ value: id, label: id, photo })), state.image,
      (value) => { state.image = value; drawImage(); });
    drawImage();
  }

  choices(at("preset-choice"), "preset", data.presets.map(({ name }) => ({ value: name, label: name })), state.preset.name,
    (value) => { state.preset = data.presets.find(({ name }) => name === value); drawPreset(); });
  at("layer-choice").addEventListener("change", (event) => pickLayer(event.target.value));
  at("layer-depth").addEventListener("input", (event) => pickLayer(event.target.value));
  at("same-scale").addEventListener("change", drawMaps);
  at("layer-browser").addEventListener("submit", (event) => event.preventDefault());
  at("layer-browser").hidden = false;
  drawPreset();
})();
