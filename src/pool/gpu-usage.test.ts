import { beforeEach, expect, test } from 'vitest';
import { FakeClock, settle } from '../lib/clock.ts';
import { GpuMeter } from './gpu-usage.ts';
import { parseGpus } from './nvidia-smi.ts';
import type { Device } from './protocol.ts';

const deviceOf = (uuid: string | null): Device => ({
  id: uuid ? 'cuda:0' : 'cpu',
  kind: uuid ? 'cuda' : 'cpu',
  uuid,
  name: '',
  memoryTotalMb: 0,
  slots: 1,
  threads: 1,
});
/** As `nvidia-smi` writes it. */
const said = (index: number, usedMb: number, percent: number) =>
  `${index}, GPU-${index}, NVIDIA GeForce RTX 3070 Ti, 8192, ${usedMb}, ${8192 - usedMb}, ${percent}\n`;

let clock: FakeClock;
let looks: number;
/** What each look sees; the last one goes on. */
let sights: (string | null)[];
beforeEach(() => {
  clock = new FakeClock();
  looks = 0;
});

function meterOf(devices: Device[], lookMs = 0): GpuMeter {
  const look = async () => {
    looks += 1;
    const sight = (sights.length > 1 ? sights.shift() : sights[0]) ?? null;
    if (lookMs > 0) await new Promise<void>((resolve) => clock.after(lookMs, resolve));
    return sight === null ? null : parseGpus(sight);
  };
  return new GpuMeter({ devices, look, clock });
}

test('gives means and peaks of what was seen once a second', async () => {
  sights = [said(0, 1000, 0), said(0, 3000, 90), said(0, 2000, 45)];
  const end = meterOf([deviceOf('GPU-0')]).measure();
  await clock.advance(2500);
  expect(looks).toBe(3);
  expect(end()).toEqual({
    index: 0,
    util_avg_percent: 45,
    util_max_percent: 90,
    vram_total_mb: 8192,
    vram_used_avg_mb: 2000,
    vram_used_max_mb: 3000,
    vram_used_percent: 24.4,
    vram_used_percent_max: 36.6,
  });
});

test('looks for all at once, and rests when nobody measures', async () => {
  sights = [said(0, 1000, 10)];
  const meter = meterOf([deviceOf('GPU-0')]);
  await clock.advance(60_000);
  expect(looks).toBe(0);
  const first = meter.measure();
  await clock.advance(1500);
  const second = meter.measure();
  expect(second()).toMatchObject({ util_avg_percent: 10 });
  await clock.advance(1000);
  expect(looks).toBe(3);
  expect(first()).toMatchObject({ util_avg_percent: 10 });
  expect(clock.pendingCount).toBe(0);
  await clock.advance(60_000);
  expect(looks).toBe(3);
  const third = meter.measure();
  await settle();
  expect(looks).toBe(4);
  expect(third()).not.toBeNull();
});

test('starts no second round while a look of the first is under way', async () => {
  sights = [said(0, 1000, 10)];
  const meter = meterOf([deviceOf('GPU-0')], 400);
  const first = meter.measure();
  await clock.advance(100);
  expect(first(), 'over before the first look').toBeNull();
  const second = meter.measure();
  await clock.advance(10_000);
  expect(looks).toBe(8);
  second();
  await clock.advance(10_000);
  expect(looks).toBe(8);
  expect(clock.pendingCount).toBe(0);
});

test('ends with a look that comes when nobody measures any more', async () => {
  sights = [said(0, 1000, 10)];
  const meter = meterOf([deviceOf('GPU-0')], 400);
  meter.measure()();
  await clock.advance(10_000);
  expect(looks).toBe(1);
});

test('tells of the busiest of our GPUs, by its index on this machine', async () => {
  sights = [said(0, 8000, 100) + said(1, 100, 20) + said(2, 100, 60), said(0, 8000, 100) + said(1, 100, 90)];
  const end = meterOf([deviceOf('GPU-1'), deviceOf('GPU-2')]).measure();
  await clock.advance(500);
  expect(end()).toMatchObject({ index: 2, util_avg_percent: 60 });
  sights = [said(1, 100, 0) + said(2, 4000, 0)];
  const idle = meterOf([deviceOf('GPU-1'), deviceOf('GPU-2')]).measure();
  await clock.advance(500);
  expect(idle()).toMatchObject({ index: 2, vram_used_avg_mb: 4000 });
});

test('has no share of a memory that the driver does not tell', async () => {
  sights = ['0, GPU-0, NVIDIA GB10, [N/A], [N/A], [N/A], 50'];
  const end = meterOf([deviceOf('GPU-0')]).measure();
  await settle();
  expect(end()).toMatchObject({ util_avg_percent: 50, vram_total_mb: 0, vram_used_percent: 0 });
});

test('is nothing without an NVIDIA GPU, and starts nothing there', async () => {
  sights = [null];
  const end = meterOf([deviceOf(null)]).measure();
  await clock.advance(5000);
  expect(end()).toBeNull();
  expect(looks).toBe(0);
  const lost = meterOf([deviceOf('GPU-0')]).measure();
  await clock.advance(5000);
  expect(lost()).toBeNull();
});
