-- Our webhooks at the vendors (ibhelm_pipelines/vendors/teamwork/webhooks.py, .../missive/webhooks.py).

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

-- name: made
-- Of a vendor that never says how its webhooks stand: what it answered when this one was made.
update ops.vendor_webhooks set webhook_id = %(id)s, status = 'made', is_active = true, looked_at = clock_timestamp()
where (vendor, url, event) = (%(vendor)s, %(url)s, %(event)s);

-- name: forget_one
delete from ops.vendor_webhooks where (vendor, url, event) = (%(vendor)s, %(url)s, %(event)s);

-- name: is_readable
select exists (select from ops.readable_vendors where source = %(vendor)s);

-- name: missive_organizations
-- Those that have one of these teams or labels.
select o.missive_id, o.name
from public.missive_organizations o
where o.deleted_at is null
  and (o.missive_id in (select missive_organization_id from public.missive_teams where missive_id = any(%(teams)s))
       or o.missive_id in (select missive_organization_id from public.labels where missive_id = any(%(labels)s)))
order by o.missive_id;

-- name: organization_names
select missive_id, name from public.missive_organizations;

-- name: last_deliveries
-- By what they say happened; what we made a rule for and what was made by hand alike.
select event, count(*) filter (where received_at > now() - interval '1 day'), max(received_at)
from ops.webhook_deliveries where vendor = %(vendor)s and kind <> 'unknown' group by event order by event;
