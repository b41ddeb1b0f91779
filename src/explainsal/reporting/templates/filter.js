"use strict";
// Draws the even part of a log-Gabor filter in space: the sum of its transfer function over the frequency plane,
// sampled on a polar grid, on a patch of SIDE pixels of the filtered map.
const drawFilter = (() => {
  const SIDE = 32, RADII = 14, ANGLES = 18;
  const known = new Map();

  function kernel(wavelength, orientation, sigmaOnF, sigmaTheta) {
    const values = new Float32Array(SIDE * SIDE);
    const spread = Math.abs(Math.log(sigmaOnF));
    for (let i = 0; i < RADII; i++) {
      const u = (i + 0.5) / RADII * 5 - 2.5;                       // standard deviations of log frequency
      const frequency = Math.exp(u * spread) / wavelength;
      if (frequency > 0.7) continue;                               // beyond the corners of the frequency plane
      for (let j = 0; j < ANGLES; j++) {
        const v = (j + 0.5) / ANGLES * 5 - 2.5;
        const angle = orientation + v * sigmaTheta;
        const gain = Math.exp(-(u * u + v * v) / 2) * frequency * frequency;   // area of a polar cell
        const fx = 2 * Math.PI * frequency * Math.cos(angle), fy = 2 * Math.PI * frequency * Math.sin(angle);
        for (let y = 0; y < SIDE; y++) {
          for (let x = 0; x < SIDE; x++) {
            values[y * SIDE + x] += gain * Math.cos(fx * (x + 0.5 - SIDE / 2) + fy * (y + 0.5 - SIDE / 2));
          }
        }
      }
    }
    return values;
  }

  function blob() {
    const values = new Float32Array(SIDE * SIDE);
    for (let i = 0; i < values.length; i++) {
      const x = i % SIDE + 0.5 - SIDE / 2, y = Math.floor(i / SIDE) + 0.5 - SIDE / 2;
      values[i] = Math.exp(-(x * x + y * y) / 50);
    }
    return values;
  }

  return (canvas, wavelength, orientation, sigmaOnF, sigmaTheta) => {
    const name = [wavelength, orientation, sigmaOnF, sigmaTheta].join();
    if (!known.has(name)) {
      known.set(name, orientation === null ? blob() : kernel(wavelength, orientation, sigmaOnF, sigmaTheta ?? 0.6));
    }
    const values = known.get(name);
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-30);
    canvas.width = canvas.height = SIDE;
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(SIDE, SIDE);
    values.forEach((value, i) => pixels.data.set([128, 128, 128].map((gray) => gray + 127 * value / largest).concat(255), 4 * i));
    context.putImageData(pixels, 0, 0);
  };
})();
