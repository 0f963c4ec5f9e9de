import type { RevisionResource } from '@millrace/contracts';

/** Digits of a fingerprint that are shown, as many as `millrace config list` shows. */
const SHOWN = 12;

export function revisionName({ fingerprint }: Pick<RevisionResource, 'fingerprint'>): string {
  return fingerprint.slice(0, SHOWN);
}

/** Returns the title of a section of a configuration, which has the name of its option: `changeSources`. */
export function sectionTitle(section: string): string {
  const words = section.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Says in one line what differs from the revision before: `builders +2 −1, 3 changed; workers +1`. */
export function changedText(changed: RevisionResource['changed']): string {
  if (changed === null) return 'the first one';
  const sections = Object.entries(changed).map(([section, counts]) => {
    const signs = [counts.added > 0 && `+${counts.added}`, counts.removed > 0 && `−${counts.removed}`].filter(Boolean);
    const parts = [signs.join(' '), counts.changed > 0 && `${counts.changed} changed`].filter(Boolean);
    return `${sectionTitle(section).toLowerCase()} ${parts.join(', ')}`;
  });
  return sections.join('; ') || 'the text of functions or files';
}
