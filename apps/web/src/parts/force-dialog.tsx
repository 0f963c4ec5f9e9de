import type { BuilderResource, ForceFieldResource, ForceSchedulerResource } from '@millrace/contracts';
import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react';
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
            onChange={(name, value) => setValues((old) => ({ ...old, [name]: value }))}
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
          <button type="submit" className="primary" disabled={busy}>
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

interface FieldProps {
  readonly field: ForceFieldResource;
  readonly values: Values;
  readonly problems: Readonly<Record<string, string>>;
  readonly onChange: (name: string, value: Values[string]) => void;
}

function Field(props: FieldProps): ReactNode {
  const { field, problems } = props;
  if (field.hide || field.type === 'fixed') return null;
  if (field.fields) {
    return (
      <fieldset className={field.columns === 2 ? 'two' : undefined}>
        {field.label && <legend>{field.label}</legend>}
        {field.fields.map((inner) => (
          <Field key={inner.fullName} {...props} field={inner} />
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

function Input({ field, values, problems, onChange }: FieldProps): ReactNode {
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
