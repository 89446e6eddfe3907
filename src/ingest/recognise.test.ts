import { expect, test } from 'vitest';
import { type Demuxer, recogniseHead } from './recognise.ts';

/** A frame of MPEG audio, version 1, layer III, 128 kbit/s at 44.1 kHz: 417 bytes. */
const mp3Frame = Buffer.concat([Buffer.from('fffb9064', 'hex'), Buffer.alloc(413)]);
/** The same of version 2 at 64 kbit/s and 22.05 kHz: 208 bytes, by layer III's other factor. */
const mp3LowFrame = Buffer.concat([Buffer.from('fff38064', 'hex'), Buffer.alloc(204)]);
/** An AAC frame of 100 bytes in ADTS. */
const aacFrame = Buffer.concat([Buffer.from('fff1508000fffc', 'hex'), Buffer.alloc(93)]);
aacFrame.writeUIntBE((aacFrame.readUIntBE(3, 3) & 0xfc001f) | (100 << 5), 3, 3);
const packet = Buffer.concat([Buffer.from([0x47]), Buffer.alloc(187)]);

const box = (name: string, rest = 'isom') => Buffer.from(`\0\0\0\x20${name}${rest}`, 'latin1');
const text = (content: string) => Buffer.from(content, 'latin1');

test.for<[Demuxer, string, Buffer]>([
  ['wav', 'RIFF', text('RIFF\x24\0\0\0WAVEfmt ')],
  ['wav', 'big-endian RIFF', text('RIFX\0\0\0\x24WAVEfmt ')],
  ['wav', 'RF64', text('RF64\xff\xff\xff\xffWAVEds64')],
  ['w64', 'Wave64', Buffer.from('726966662e91cf11a5d628db04c10000', 'hex')],
  ['avi', 'AVI', text('RIFF\x24\0\0\0AVI LIST')],
  ['flac', 'FLAC', text('fLaC\0\0\0\x22')],
  ['ogg', 'Ogg', text('OggS\0\x02')],
  ['matroska', 'WebM', Buffer.from('1a45dfa39f4286', 'hex')],
  ['mov', 'mp4', box('ftyp')],
  ['mov', 'm4a', box('ftyp', 'M4A ')],
  ['mov', '3gp', box('ftyp', '3gp4')],
  ['mov', 'old QuickTime', box('moov', '\0\0\0\x6cmvhd')],
  ['amr', 'AMR', text('#!AMR\n\x3c')],
  ['amr', 'wide AMR', text('#!AMR-WB\n\x04')],
  ['aiff', 'AIFF', text('FORM\0\0\0\x2eAIFFCOMM')],
  ['caf', 'CAF', text('caff\0\x01\0\0desc')],
  ['asf', 'WMA', Buffer.from('3026b2758e66cf11a6d900aa0062ce6c', 'hex')],
  ['au', 'AU', text('.snd\0\0\0\x18')],
  ['flv', 'FLV', text('FLV\x01\x04')],
  ['mpeg', 'program stream', Buffer.from('000001ba44', 'hex')],
  ['mpegts', 'transport stream', Buffer.concat([packet, packet, packet])],
  ['mp3', 'MPEG frames', Buffer.concat([mp3Frame, mp3Frame, mp3Frame])],
  ['mp3', 'MPEG frames of version 2', Buffer.concat([mp3LowFrame, mp3LowFrame, mp3LowFrame])],
  ['mp3', 'frames behind rubbish', Buffer.concat([Buffer.alloc(999), mp3Frame, mp3Frame, mp3Frame])],
  ['mp3', 'a single frame', mp3Frame],
  ['aac', 'ADTS frames', Buffer.concat([aacFrame, aacFrame, aacFrame])],
])('%s: %s', ([demuxer, , head]) => {
  expect(recogniseHead(head)).toBe(demuxer);
});

test.for<[string, Buffer]>([
  ['nothing', Buffer.alloc(0)],
  ['one byte', Buffer.from([0xff])],
  ['text', text('It was a dark and stormy night')],
  ['UTF-16 text, whose mark looks like an MPEG frame', Buffer.from(`\ufeff${'night '.repeat(2000)}`, 'utf16le')],
  ['a playlist', text('#EXTM3U\n#EXTINF:9,\n/etc/passwd\n')],
  ['a concat script', text("ffconcat version 1.0\nfile '/etc/passwd'\n")],
  ['a session description', text('v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=audio 5004 RTP/AVP 0\r\n')],
  ['a page', text('<!doctype html>')],
  ['PNG', Buffer.from('89504e470d0a1a0a', 'hex')],
  ['JPEG', Buffer.concat([Buffer.from('ffd8ffe000104a464946', 'hex'), Buffer.alloc(5000, 0xff)])],
  ['WebP', text('RIFF\x24\0\0\0WEBPVP8 ')],
  ['HEIC', box('ftyp', 'heic')],
  ['one MPEG frame and text', Buffer.concat([mp3Frame, text('night '.repeat(999))])],
  ['zeros', Buffer.alloc(64 * 1024)],
  ['ones', Buffer.alloc(64 * 1024, 0xff)],
])('%s is no audio', ([, head]) => {
  expect(recogniseHead(head)).toBeUndefined();
});
