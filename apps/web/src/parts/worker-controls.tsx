import type { WorkerResource } from '@millrace/contracts';
import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react';
import { control } from '../data/api';
import { useNow } from '../data/live';
import { isHeldBack, lookOfWorker } from '../data/workers';
import { ActionButton, RightButton } from './basics';

const ACTIONS = {
  pause: { title: 'Pause', does: 'It gets no more builds until it is unpaused. What it builds goes on.' },
  stop: { title: 'Shut down', does: 'It gets no more builds, and is shut down when it has none.' },
  kill: { title: 'Kill', does: 'It is shut down at once. What it builds is tried again on another worker.' },
} as const;
type Action = keyof typeof ACTIONS;

export function WorkerState({ worker }: { worker: WorkerResource }): ReactNode {
  const { dot, text, reason } = lookOfWorker(worker, useNow());
  return (
    <>
      <span className={`dot ${dot}`} aria-hidden="true" /> {text}{' '}
      {reason && (
        <span className="muted cut" title={reason}>
          ({reason})
        </span>
      )}
    </>
  );
}

/** Buttons for a worker's actions. Each action asks for a reason. */
export function WorkerControls({ worker, all = false }: { worker: WorkerResource; all?: boolean }): ReactNode {
  const [asked, setAsked] = useState<Action | null>(null);
  const heldBack = isHeldBack(worker, useNow());
  const connected = worker.connected_to.length > 0;
  const actions: Action[] = [
    ...(worker.paused ? [] : (['pause'] as const)),
    ...(all && connected && !worker.graceful ? (['stop'] as const) : []),
    ...(all && connected ? (['kill'] as const) : []),
  ];
  return (
    <>
      {heldBack && (
        <ActionButton needs="control" action={() => control(`workers/${worker.workerid}`, 'unpause')}>
          Go on
        </ActionButton>
      )}{' '}
      {actions.map((action) => (
        <RightButton
          key={action}
          needs="control"
          className={action === 'kill' ? 'danger' : undefined}
          onClick={() => setAsked(action)}
        >
          {ACTIONS[action].title}…
        </RightButton>
      ))}
      {asked && <ReasonDialog worker={worker} action={asked} onClose={() => setAsked(null)} />}
    </>
  );
}

function ReasonDialog({
  worker,
  action,
  onClose,
}: {
  worker: WorkerResource;
  action: Action;
  onClose: () => void;
}): ReactNode {
  const dialog = useRef<HTMLDialogElement>(null);
  const [reason, setReason] = useState('');
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  const { title, does } = ACTIONS[action];

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    control(`workers/${worker.workerid}`, action, { reason })
      .then(() => dialog.current?.close())
      .catch((failure: Error) => {
        setError(failure.message);
        setBusy(false);
      });
  };
  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="worker-action">
      <form onSubmit={submit}>
        <h2 id="worker-action">
          {title} {worker.name}
        </h2>
        <p className="muted">{does}</p>
        <label>
          <span>Reason</span>
          <input
            name="reason"
            type="text"
            maxLength={200}
            autoFocus
            value={reason}
            onChange={(event) => setReason(event.target.value)}
          />
        </label>
        {error && (
          <p className="error" role="alert">
            {error}
          </p>
        )}
        <footer className="actions">
          <button type="button" onClick={() => dialog.current?.close()}>
            Close
          </button>
          <button type="submit" className={action === 'kill' ? 'danger' : 'primary'} disabled={busy}>
            {title}
          </button>
        </footer>
      </form>
    </dialog>
  );
}
