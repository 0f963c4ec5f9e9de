import type { ChangeResource, DeliveryResource } from '@millrace/contracts';
import type { ReactNode } from 'react';
import { Link, useParams } from 'react-router';
import { control } from '../data/api';
import { dateTime, firstLine, idOf } from '../data/format';
import { useLive, useLiveOne } from '../data/live';
import type { LiveQuery } from '../data/lists';
import { ActionButton, Ago, Empty, Loading, More, usePageTitle } from '../parts/basics';
import { Decisions } from '../parts/decisions';
import { NotFoundPage } from './not-found';

const newestDeliveries: LiveQuery<DeliveryResource> = {
  path: 'deliveries?order=-deliveryid&limit=50',
  plural: 'deliveries',
  id: (delivery) => delivery.deliveryid,
  topics: ['deliveries/*/*'],
  compare: (a, b) => b.deliveryid - a.deliveryid,
  limit: 50,
};

const SHOWN: Readonly<Record<DeliveryResource['state'], { readonly dot: string; readonly text: string }>> = {
  waiting: { dot: 'paused', text: 'waits to be read' },
  done: { dot: 'on', text: 'read' },
  ignored: { dot: 'paused', text: 'ignored' },
  failed: { dot: 'off', text: 'cannot be read' },
};

export function DeliveriesPage(): ReactNode {
  usePageTitle('Deliveries');
  const deliveries = useLive(newestDeliveries);
  const { items } = deliveries;
  return (
    <>
      <h1>Deliveries</h1>
      {!items && <Loading error={deliveries.error} />}
      {items?.length === 0 && <Empty>Nothing has been delivered to a hook yet.</Empty>}
      {items && items.length > 0 && (
        <div className="scroll-x">
          <table className="rows">
            <thead>
              <tr>
                <th>Delivery</th>
                <th>Hook</th>
                <th className="wide">What became of it</th>
                <th className="right">Received</th>
              </tr>
            </thead>
            <tbody>
              {items.map((delivery) => (
                <tr key={delivery.deliveryid}>
                  <td>
                    <Link to={`/deliveries/${delivery.deliveryid}`}>{delivery.deliveryid}</Link>
                  </td>
                  <td>{delivery.hook}</td>
                  <td className="wide">
                    <State delivery={delivery} />
                  </td>
                  <td className="right muted">
                    <Ago at={delivery.received_at} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <More live={deliveries} />
    </>
  );
}

function State({ delivery: { state, reason } }: { delivery: DeliveryResource }): ReactNode {
  const { dot, text } = SHOWN[state];
  return (
    <>
      <span className={`dot ${dot}`} aria-hidden="true" /> {text}
      {reason !== null && ': '}
      {reason !== null && <span className={state === 'failed' ? 'error' : 'muted'}>{reason}</span>}
    </>
  );
}

/** A receipt: what was delivered, the changes that came of it, and what each scheduler made of them. */
export function DeliveryPage(): ReactNode {
  const { deliveryid } = useParams();
  const id = idOf(deliveryid);
  const { item: delivery, error } = useLiveOne<DeliveryResource>(
    id === null
      ? null
      : {
          path: `deliveries/${id}`,
          plural: 'deliveries',
          id: (one) => one.deliveryid,
          topics: [`deliveries/${id}/*`],
        },
  );
  const changes = useLive<ChangeResource>(
    id === null
      ? null
      : {
          path: `deliveries/${id}/changes`,
          plural: 'changes',
          id: (change) => change.changeid,
          topics: [],
          refetchEveryMs: 5000,
        },
  );
  usePageTitle(`Delivery ${deliveryid}`);
  if (id === null || delivery === null) return <NotFoundPage what={`There is no delivery ${deliveryid}.`} />;
  if (!delivery) return <Loading error={error} />;
  return (
    <>
      <p className="crumbs">
        <Link to="/deliveries">Deliveries</Link>
      </p>
      <h1>Delivery {id}</h1>
      <dl className="facts">
        <dt>Hook</dt>
        <dd>
          {delivery.hook} ({delivery.dialect})
        </dd>
        <dt>Received</dt>
        <dd>{dateTime(delivery.received_at)}</dd>
        {delivery.delivered_by !== null && (
          <>
            <dt>With the token of</dt>
            <dd>{delivery.delivered_by}</dd>
          </>
        )}
        <dt>The forge’s id</dt>
        <dd>
          <code>{delivery.delivery_key}</code>
        </dd>
        <dt>State</dt>
        <dd>
          <State delivery={delivery} />
        </dd>
        <dt>Body</dt>
        <dd>
          {delivery.body_bytes} bytes
          {delivery.body_kept_until === null
            ? ', not kept any more'
            : `, kept until ${dateTime(delivery.body_kept_until)}`}
        </dd>
      </dl>
      {delivery.body_kept_until !== null && (
        <p className="actions">
          <ActionButton needs="control" action={() => control(`deliveries/${id}`, 'replay')}>
            Read it again
          </ActionButton>{' '}
          <ActionButton
            needs="control"
            confirm="Make its changes a second time, so that they are built again?"
            action={() => control(`deliveries/${id}`, 'replay', { again: true })}
          >
            Make its changes again
          </ActionButton>
        </p>
      )}
      <section>
        <h2>Changes</h2>
        {!changes.items && <Loading error={changes.error} />}
        {changes.items?.length === 0 && <Empty>It made no changes.</Empty>}
        {changes.items?.map((change) => (
          <article key={change.changeid}>
            <h3>
              <Link to={`/changes/${change.changeid}`}>{firstLine(change.comments) || '(no message)'}</Link>
            </h3>
            <Decisions changeId={change.changeid} />
          </article>
        ))}
      </section>
    </>
  );
}
