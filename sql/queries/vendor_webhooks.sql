-- Our webhooks at the vendors (ibhelm_pipelines/vendors/teamwork/webhooks.py).

-- name: want
-- Noted before the first one is made: what a killed install left behind is known as ours.
insert into ops.vendor_webhooks (vendor, url, event)
select %(vendor)s, %(url)s, unnest(%(events)s::text[])
on conflict do nothing;

-- name: known
select url, event, webhook_id, is_active from ops.vendor_webhooks where vendor = %(vendor)s;

-- name: looked_lately
select bool_and(coalesce(looked_at > clock_timestamp() - %(pause)s, false)) from ops.vendor_webhooks where vendor = %(vendor)s;

-- name: found
-- What the vendor says now. Where it has none, there is neither id nor status.
update ops.vendor_webhooks w
set webhook_id = seen.webhook_id, status = coalesce(seen.status, 'missing'), is_active = coalesce(seen.is_active, false), looked_at = clock_timestamp()
from ops.vendor_webhooks mine
left join jsonb_to_recordset(%(seen)s) as seen (url text, event text, webhook_id text, status text, is_active boolean) using (url, event)
where mine.vendor = %(vendor)s and (w.vendor, w.url, w.event) = (mine.vendor, mine.url, mine.event);

-- name: found_off
update ops.vendor_webhooks set found_off_before = found_off_at, found_off_at = clock_timestamp()
where vendor = %(vendor)s and webhook_id = any(%(ids)s);

-- name: unknown
-- The vendor does not say how they stand, and why.
update ops.vendor_webhooks set status = %(reason)s, is_active = false, looked_at = clock_timestamp() where vendor = %(vendor)s;

-- name: forget_other
-- What is no longer wanted: other addresses, and events that are none of ours any more.
delete from ops.vendor_webhooks where vendor = %(vendor)s and not (url = %(url)s and event = any(%(events)s));

-- name: forget_all
delete from ops.vendor_webhooks where vendor = %(vendor)s;

-- name: last_delivery
select max(received_at) from ops.webhook_deliveries where vendor = %(vendor)s;
