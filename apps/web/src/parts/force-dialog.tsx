import type { BuilderResource, ForceFieldResource, ForceSchedulerResource } from '@millrace/contracts';
import {
  type CSSProperties,
  type FormEvent,
  type KeyboardEvent,
  type ReactNode,
  useEffect,
  useId,
  useRef,
  useState,
} from 'react';
import { useNavigate } from 'react-router';
import { ApiError, control } from '../data/api';

type Values = Record<string, string | boolean | string[]>;

/** The form of a force scheduler. It leads to the page of the new build request. */
export function ForceDialog({
  scheduler,
  builder,
  onClose,
}: {
  scheduler: ForceSchedulerResource;
  builder: BuilderResource;
  onClose: () => void;
}): ReactNode {
  const dialog = useRef<HTMLDialogElement>(null);
  const navigate = useNavigate();
  const [values, setValues] = useState<Values>(() => defaults(scheduler.all_fields));
  const [problems, setProblems] = useState<Readonly<Record<string, string>>>({});
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  /** Number of files whose text is being read. */
  const [reading, setReading] = useState(0);
  useEffect(() => dialog.current?.showModal(), []);

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    setBusy(true);
    setProblems({});
    setError(null);
    control(`forceschedulers/${encodeURIComponent(scheduler.name)}`, 'force', {
      ...values,
      builderid: builder.builderid,
    })
      .then((result) => {
        const [, requests] = result as [number, Record<string, number>];
        void navigate(`/buildrequests/${Object.values(requests)[0]}`);
      })
      .catch((failure: Error) => {
        if (failure instanceof ApiError && Object.keys(failure.fields).length > 0) setProblems(failure.fields);
        else setError(failure.message);
        setBusy(false);
      });
  };
  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="force-title">
      <form onSubmit={submit}>
        <h2 id="force-title">{scheduler.label || scheduler.button_name}</h2>
        <p className="muted">{builder.name}</p>
        {scheduler.all_fields.map((field, i) => (
          <Field
            key={field.fullName ?? i}
            field={field}
            values={values}
            problems={problems}
            onChange={(name, value) =>
              setValues((old) => ({ ...old, [name]: value, ...populated(scheduler.all_fields, name, value) }))
            }
            onFile={(name, file) => {
              setReading((files) => files + 1);
              void file
                .text()
                .then((text) => setValues((old) => ({ ...old, [name]: text })))
                .catch((failure: Error) => setError(`${file.name} cannot be read: ${failure.message}`))
                .finally(() => setReading((files) => files - 1));
            }}
          />
        ))}
        {error && (
          <p className="error" role="alert">
            {error}
          </p>
        )}
        <footer className="actions">
          <button type="button" onClick={() => dialog.current?.close()}>
            Close
          </button>
          <button type="submit" className="primary" disabled={busy || reading > 0}>
            {scheduler.button_name}
          </button>
        </footer>
      </form>
    </dialog>
  );
}

function defaults(fields: readonly ForceFieldResource[], into: Values = {}): Values {
  for (const field of fields) {
    if (field.fields) defaults(field.fields, into);
    else if (field.type === 'bool') into[field.fullName!] = field.default === true;
    else if (field.multiple) into[field.fullName!] = Array.isArray(field.default) ? field.default.map(String) : [];
    else
      into[field.fullName!] =
        typeof field.default === 'string' || typeof field.default === 'number' ? String(field.default) : '';
  }
  return into;
}

/** Returns the values of other fields that come with a choice. */
function populated(fields: readonly ForceFieldResource[], name: string, value: Values[string]): Values {
  if (typeof value !== 'string') return {};
  const all = (of: readonly ForceFieldResource[]): ForceFieldResource[] =>
    of.flatMap((field) => (field.fields ? all(field.fields) : [field]));
  const leaves = all(fields);
  const { autopopulate } = leaves.find(({ fullName }) => fullName === name) ?? {};
  const chosen = autopopulate && Object.hasOwn(autopopulate, value) ? autopopulate[value]! : {};
  return defaults(
    leaves
      .filter(({ fullName }) => fullName !== null && Object.hasOwn(chosen, fullName))
      .map((field) => ({ ...field, default: chosen[field.fullName!]! })),
  );
}

interface FieldProps {
  readonly field: ForceFieldResource;
  readonly values: Values;
  readonly problems: Readonly<Record<string, string>>;
  readonly onChange: (name: string, value: Values[string]) => void;
  /** Called with a file whose text is the value. */
  readonly onFile: (name: string, file: File) => void;
}

function Field(props: FieldProps): ReactNode {
  const { field, problems } = props;
  if (field.hide || field.type === 'fixed') return null;
  if (field.fields) {
    if (field.layout === 'tabs') return <Tabs {...props} fields={field.fields} />;
    return (
      <fieldset
        className={(field.columns ?? 1) > 1 ? 'columns' : undefined}
        style={{ '--columns': field.columns ?? 1 } as CSSProperties}
      >
        {field.label && <legend>{field.label}</legend>}
        {field.fields.map((inner) => (
          <Field key={inner.fullName ?? inner.label} {...props} field={inner} />
        ))}
      </fieldset>
    );
  }
  const name = field.fullName!;
  const problem = Object.hasOwn(problems, name) && problems[name];
  return (
    <label className={field.type === 'bool' ? 'check' : undefined} title={field.tooltip || undefined}>
      <span>
        {field.label.replace(/:$/, '')}
        {field.required && <span aria-hidden="true"> *</span>}
      </span>
      <Input {...props} />
      {problem && (
        <span className="error" role="alert">
          {problem}
        </span>
      )}
    </label>
  );
}

/** A group of which one part is shown at a time. The arrow keys lead from tab to tab. */
function Tabs({ fields, ...props }: FieldProps & { readonly fields: readonly ForceFieldResource[] }): ReactNode {
  const [chosen, setChosen] = useState(0);
  const id = useId();
  const go = (event: KeyboardEvent<HTMLDivElement>): void => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (step === 0) return;
    const next = (chosen + step + fields.length) % fields.length;
    setChosen(next);
    (event.currentTarget.children[next] as HTMLElement).focus();
  };
  return (
    <fieldset>
      {props.field.label && <legend>{props.field.label}</legend>}
      <div role="tablist" className="tabs" onKeyDown={go}>
        {fields.map((field, i) => (
          <button
            key={i}
            type="button"
            role="tab"
            id={`${id}-tab-${i}`}
            aria-selected={i === chosen}
            aria-controls={`${id}-panel-${i}`}
            tabIndex={i === chosen ? 0 : -1}
            onClick={() => setChosen(i)}
          >
            {field.tablabel}
          </button>
        ))}
      </div>
      {fields.map((field, i) => (
        <div key={i} role="tabpanel" id={`${id}-panel-${i}`} aria-labelledby={`${id}-tab-${i}`} hidden={i !== chosen}>
          <Field {...props} field={field} />
        </div>
      ))}
    </fieldset>
  );
}

function Input({ field, values, problems, onChange, onFile }: FieldProps): ReactNode {
  const name = field.fullName!;
  const value = values[name];
  const common = { name, 'aria-invalid': Object.hasOwn(problems, name), maxLength: field.maxsize ?? undefined };
  switch (field.type) {
    case 'bool':
      return (
        <input
          {...common}
          type="checkbox"
          checked={value === true}
          onChange={(event) => onChange(name, event.target.checked)}
        />
      );
    case 'textarea':
      return (
        <textarea
          {...common}
          rows={field.rows ?? 4}
          value={String(value)}
          onChange={(event) => onChange(name, event.target.value)}
        />
      );
    case 'file':
      return (
        <input
          name={name}
          type="file"
          aria-invalid={common['aria-invalid']}
          onChange={(event) => {
            const file = event.target.files?.[0];
            if (file) onFile(name, file);
            else onChange(name, '');
          }}
        />
      );
    case 'int':
      return (
        <input
          {...common}
          type="number"
          step="1"
          value={String(value)}
          onChange={(event) => onChange(name, event.target.value)}
        />
      );
    case 'list':
      if (field.strict === false && !field.multiple) {
        return (
          <>
            <input
              {...common}
              list={`${name}-choices`}
              value={String(value)}
              onChange={(event) => onChange(name, event.target.value)}
            />
            <datalist id={`${name}-choices`}>
              {field.choices?.map((choice) => (
                <option key={choice} value={choice} />
              ))}
            </datalist>
          </>
        );
      }
      return (
        <select
          name={name}
          multiple={field.multiple}
          value={value as string | string[]}
          onChange={(event) =>
            onChange(
              name,
              field.multiple ? [...event.target.selectedOptions].map((option) => option.value) : event.target.value,
            )
          }
        >
          {!field.multiple && !field.choices?.some((choice) => choice === field.default) && <option value="" />}
          {field.choices?.map((choice) => (
            <option key={choice}>{choice}</option>
          ))}
        </select>
      );
    default:
      return (
        <input {...common} type="text" value={String(value)} onChange={(event) => onChange(name, event.target.value)} />
      );
  }
}
