"use strict";
// Draws the even part of a log-Gabor filter in space: its transfer function on the FFT grid of a map of MAP pixels,
// transformed back; SIDE pixels around the centre are shown.
const drawFilter = (() => {
  const MAP = 64, SIDE = 32;
  const known = new Map();
  const cosine = Float64Array.from({ length: MAP }, (_, i) => Math.cos(2 * Math.PI * i / MAP));
  const sine = Float64Array.from({ length: MAP }, (_, i) => Math.sin(2 * Math.PI * i / MAP));
  const modulo = (i) => ((i % MAP) + MAP) % MAP;

  function gain(u, v, wavelength, orientation, sigmaOnF, sigmaTheta) {
    const x = (u < MAP / 2 ? u : u - MAP) / MAP, y = (v < MAP / 2 ? v : v - MAP) / MAP;
    const frequency = Math.hypot(x, y);
    if (frequency === 0) return 0;
    const radial = Math.log(frequency * wavelength) / Math.log(sigmaOnF);
    const turn = Math.atan2(y, x) - orientation;
    const angular = Math.atan2(Math.sin(turn), Math.cos(turn)) / sigmaTheta;
    return Math.exp(-(radial * radial + angular * angular) / 2);
  }

  function kernel(...filter) {
    const real = new Float64Array(MAP * SIDE), imaginary = new Float64Array(MAP * SIDE);
    for (let v = 0; v < MAP; v++) {
      for (let u = 0; u < MAP; u++) {
        const value = gain(u, v, ...filter);
        if (value < 1e-6) continue;
        for (let x = 0; x < SIDE; x++) {
          const phase = modulo(u * (x - SIDE / 2));
          real[v * SIDE + x] += value * cosine[phase];
          imaginary[v * SIDE + x] += value * sine[phase];
        }
      }
    }
    const values = new Float64Array(SIDE * SIDE);
    for (let y = 0; y < SIDE; y++) {
      for (let v = 0; v < MAP; v++) {
        const phase = modulo(v * (y - SIDE / 2));
        for (let x = 0; x < SIDE; x++) {
          values[y * SIDE + x] += real[v * SIDE + x] * cosine[phase] - imaginary[v * SIDE + x] * sine[phase];
        }
      }
    }
    return values;
  }

  function gaussian(sigma) {
    return Float64Array.from({ length: SIDE * SIDE }, (_, i) => {
      const x = i % SIDE - SIDE / 2, y = Math.floor(i / SIDE) - SIDE / 2;
      return Math.exp(-(x * x + y * y) / (2 * sigma * sigma));
    });
  }

  return (canvas, wavelength, orientation, sigmaOnF, sigmaTheta) => {
    const name = [wavelength, orientation, sigmaOnF, sigmaTheta].join();
    if (!known.has(name)) {
      const lowPass = orientation === null;
      known.set(name, lowPass ? gaussian(wavelength / 2 / Math.PI) : kernel(wavelength, orientation, sigmaOnF, sigmaTheta));
    }
    const values = known.get(name);
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-30);
    canvas.width = canvas.height = SIDE;
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(SIDE, SIDE);
    values.forEach((value, i) => {
      const gray = 128 + 127 * value / largest;
      pixels.data.set([gray, gray, gray, 255], 4 * i);
    });
    context.putImageData(pixels, 0, 0);
  };
})();
