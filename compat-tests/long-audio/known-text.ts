// What is read aloud: the Universal Declaration of Human Rights, sentence by sentence, and the fable of the North Wind and the
// Sun without its punctuation, so that nobody pauses. Both exist in every language and hold no number.

export interface KnownText {
  /** As espeak-ng calls it. */
  voice: string;
  sentences: string[];
  breathless: string;
}

/** What the recorded speech says. */
export const RECORDED_TEXT =
  'And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country.';

export const KNOWN_TEXTS: Record<'en' | 'es' | 'de' | 'fr', KnownText> = {
  en: {
    voice: 'en-us',
    sentences: [
      'All human beings are born free and equal in dignity and rights.',
      'They are endowed with reason and conscience and should act towards one another in a spirit of brotherhood.',
      'Everyone has the right to life, liberty and security of person.',
      'No one shall be held in slavery or servitude; slavery and the slave trade shall be prohibited in all their forms.',
      'No one shall be subjected to torture or to cruel, inhuman or degrading treatment or punishment.',
      'Everyone has the right to recognition everywhere as a person before the law.',
      'All are equal before the law and are entitled without any discrimination to equal protection of the law.',
      'No one shall be subjected to arbitrary arrest, detention or exile.',
      'Everyone has the right to freedom of movement and residence within the borders of each state.',
      'Everyone has the right to leave any country, including his own, and to return to his country.',
      'Everyone has the right to a nationality.',
      'Everyone has the right to freedom of thought, conscience and religion.',
      'Everyone has the right to rest and leisure, including reasonable limitation of working hours.',
      'Everyone has the right to education.',
    ],
    breathless:
      'the north wind and the sun were disputing which was the stronger when a traveler came along wrapped in a warm cloak they agreed that the one who first succeeded in making the traveler take his cloak off should be considered stronger than the other then the north wind blew as hard as he could but the more he blew the more closely did the traveler fold his cloak around him and at last the north wind gave up the attempt then the sun shone out warmly and immediately the traveler took off his cloak and so the north wind was obliged to confess that the sun was the stronger of the two',
  },
  es: {
    voice: 'es',
    sentences: [
      'Todos los seres humanos nacen libres e iguales en dignidad y derechos.',
      'Dotados como están de razón y conciencia, deben comportarse fraternalmente los unos con los otros.',
      'Todo individuo tiene derecho a la vida, a la libertad y a la seguridad de su persona.',
      'Nadie estará sometido a esclavitud ni a servidumbre; la esclavitud y la trata de esclavos están prohibidas en todas sus formas.',
      'Nadie será sometido a torturas ni a penas o tratos crueles, inhumanos o degradantes.',
      'Todo ser humano tiene derecho, en todas partes, al reconocimiento de su personalidad jurídica.',
      'Todos son iguales ante la ley y tienen, sin distinción, derecho a igual protección de la ley.',
      'Nadie podrá ser arbitrariamente detenido, preso ni desterrado.',
      'Toda persona tiene derecho a circular libremente y a elegir su residencia en el territorio de un estado.',
      'Toda persona tiene derecho a salir de cualquier país, incluso del propio, y a regresar a su país.',
      'Toda persona tiene derecho a una nacionalidad.',
      'Toda persona tiene derecho a la libertad de pensamiento, de conciencia y de religión.',
      'Toda persona tiene derecho al descanso, al disfrute del tiempo libre y a vacaciones periódicas pagadas.',
      'Toda persona tiene derecho a la educación.',
    ],
    breathless:
      'el viento norte y el sol discutían sobre cuál de ellos era el más fuerte cuando pasó un viajero envuelto en una ancha capa convinieron en que quien antes lograra obligar al viajero a quitarse la capa sería considerado más poderoso el viento norte sopló con gran furia pero cuanto más soplaba más se envolvía en su capa el viajero por fin el viento norte abandonó la empresa entonces brilló el sol con ardor e inmediatamente se despojó de su capa el viajero por lo que el viento norte hubo de reconocer la superioridad del sol',
  },
  de: {
    voice: 'de',
    sentences: [
      'Alle Menschen sind frei und gleich an Würde und Rechten geboren.',
      'Sie sind mit Vernunft und Gewissen begabt und sollen einander im Geiste der Brüderlichkeit begegnen.',
      'Jeder hat das Recht auf Leben, Freiheit und Sicherheit der Person.',
      'Niemand darf in Sklaverei oder Leibeigenschaft gehalten werden; Sklaverei und Sklavenhandel sind in allen ihren Formen verboten.',
      'Niemand darf der Folter oder grausamer, unmenschlicher oder erniedrigender Behandlung oder Strafe unterworfen werden.',
      'Jeder hat das Recht, überall als rechtsfähig anerkannt zu werden.',
      'Alle Menschen sind vor dem Gesetz gleich und haben ohne Unterschied Anspruch auf gleichen Schutz durch das Gesetz.',
      'Niemand darf willkürlich festgenommen, in Haft gehalten oder des Landes verwiesen werden.',
      'Jeder hat das Recht, sich innerhalb eines Staates frei zu bewegen und seinen Aufenthaltsort frei zu wählen.',
      'Jeder hat das Recht, jedes Land, einschließlich seines eigenen, zu verlassen und in sein Land zurückzukehren.',
      'Jeder hat das Recht auf eine Staatsangehörigkeit.',
      'Jeder hat das Recht auf Gedankenfreiheit, Gewissensfreiheit und Religionsfreiheit.',
      'Jeder hat das Recht auf Erholung und Freizeit und auf eine vernünftige Begrenzung der Arbeitszeit.',
      'Jeder hat das Recht auf Bildung.',
    ],
    breathless:
      'einst stritten sich Nordwind und Sonne wer von ihnen beiden wohl der Stärkere wäre als ein Wanderer der in einen warmen Mantel gehüllt war des Weges daherkam sie wurden einig dass derjenige für den Stärkeren gelten sollte der den Wanderer zwingen würde seinen Mantel abzunehmen der Nordwind blies mit aller Macht aber je mehr er blies desto fester hüllte sich der Wanderer in seinen Mantel ein endlich gab der Nordwind den Kampf auf nun erwärmte die Sonne die Luft mit ihren freundlichen Strahlen und schon nach wenigen Augenblicken zog der Wanderer seinen Mantel aus da musste der Nordwind zugeben dass die Sonne von ihnen beiden der Stärkere war',
  },
  fr: {
    voice: 'fr',
    sentences: [],
    breathless:
      'la bise et le soleil se disputaient chacun assurant qu’il était le plus fort quand ils ont vu un voyageur qui s’avançait enveloppé dans son manteau ils sont tombés d’accord que celui qui arriverait le premier à faire ôter son manteau au voyageur serait regardé comme le plus fort alors la bise s’est mise à souffler de toute sa force mais plus elle soufflait plus le voyageur serrait son manteau autour de lui et à la fin la bise a renoncé à le lui faire ôter alors le soleil a commencé à briller et au bout d’un moment le voyageur réchauffé a ôté son manteau ainsi la bise a dû reconnaître que le soleil était le plus fort des deux',
  },
};
