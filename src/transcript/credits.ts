// What whisper writes under silence and music, having learnt from subtitles. People say some of it, too: a match is no proof.
import { lettersOf } from './loop.ts';

/** Reported by many users of whisper and its ports; each language's most frequent ones. */
const CREDITS = [
  'you',
  'bye',
  'thank you',
  'thanks for watching',
  'thank you for watching',
  'thank you so much for watching',
  'please subscribe',
  'please subscribe to my channel',
  "I'll see you next time",
  'see you next time',
  'subtitles by the Amara.org community',
  'Untertitel der Amara.org-Community',
  'Untertitel im Auftrag des ZDF für funk',
  'Vielen Dank',
  'Vielen Dank fürs Zuschauen',
  "Sous-titres réalisés para la communauté d'Amara.org",
  "Sous-titres réalisés par la communauté d'Amara.org",
  'Sous-titrage Société Radio-Canada',
  "Merci d'avoir regardé cette vidéo",
  'Subtítulos realizados por la comunidad de Amara.org',
  'Gracias por ver el video',
  'Sottotitoli creati dalla comunità Amara.org',
  'Legendas pela comunidade Amara.org',
  'Ondertitels ingediend door de Amara.org gemeenschap',
  'Napisy stworzone przez społeczność Amara.org',
  'Субтитры сделал DimaTorzok',
  'Продолжение следует',
  'Altyazı M.K.',
  'İzlediğiniz için teşekkür ederim',
  'ご視聴ありがとうございました',
  '字幕由Amara.org社区提供',
  '请不吝点赞 订阅 转发 打赏支持明镜与点点栏目',
  '시청해주셔서 감사합니다',
];
const LETTERS = new Set(CREDITS.map(lettersOf));

/** True of a text that is one of them and nothing else. */
export function isSubtitleCredit(text: string): boolean {
  return LETTERS.has(lettersOf(text));
}
