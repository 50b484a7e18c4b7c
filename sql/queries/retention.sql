-- Against Dagster's own database, which keeps every event for ever. `instance.delete_run` would be the documented way, but it takes the materialisation
-- status of the partitions with it (shared/facts/dagster.md, finding 9).

-- name: runs_with_old_events
select distinct run_id from event_logs
where timestamp < now() at time zone 'utc' - make_interval(days => :event_days)
  and dagster_event_type = 'PIPELINE_START';

-- name: old_run_events
-- What runs logged. Asset events are left out here: the state of the assets and their plots are made of them.
delete from event_logs
where timestamp < now() at time zone 'utc' - make_interval(days => :event_days)
  and (dagster_event_type is null or dagster_event_type not in
       ('ASSET_MATERIALIZATION', 'ASSET_OBSERVATION', 'ASSET_CHECK_EVALUATION', 'ASSET_MATERIALIZATION_PLANNED', 'ASSET_FAILED_TO_MATERIALIZE',
        'FRESHNESS_STATE_EVALUATION', 'FRESHNESS_STATE_CHANGE'));

-- name: old_asset_events
-- Points of the plots; the newest event of each kind, asset and partition is its state and stays.
delete from event_logs
where timestamp < now() at time zone 'utc' - make_interval(days => :asset_event_days)
  and dagster_event_type in ('ASSET_MATERIALIZATION', 'ASSET_OBSERVATION', 'ASSET_MATERIALIZATION_PLANNED', 'ASSET_FAILED_TO_MATERIALIZE')
  and id not in (
      select max(id) from event_logs
      where dagster_event_type in ('ASSET_MATERIALIZATION', 'ASSET_OBSERVATION', 'ASSET_MATERIALIZATION_PLANNED', 'ASSET_FAILED_TO_MATERIALIZE')
      group by dagster_event_type, asset_key, partition);

-- name: old_check_executions
-- The newest execution of each check is its state and stays.
delete from asset_check_executions
where create_timestamp < now() at time zone 'utc' - make_interval(days => :event_days)
  and id not in (select max(id) from asset_check_executions group by asset_key, check_name, partition);

-- name: old_check_events
-- Those whose execution went with the statement above.
delete from event_logs
where timestamp < now() at time zone 'utc' - make_interval(days => :event_days)
  and dagster_event_type = 'ASSET_CHECK_EVALUATION'
  and id not in (select evaluation_event_storage_id from asset_check_executions where evaluation_event_storage_id is not null);
