//! Every API over the wire, against the real binary: what a client sees, file by file as in
//! `api::APIS`; then what a restart leaves and what start and stop promise.
//!
//! The tests of the APIs share one broker of four shards ([`broker::shared`]), which is why each uses
//! topics of its own name. Where a time is checked the bounds are generous upwards, because the
//! machine may be busy, and exact downwards, because a broker is never early.

mod alter_client_quotas;
mod alter_configs;
mod alter_partition_reassignments;
mod alter_replica_log_dirs;
mod api_versions;
mod behaviours;
mod broker;
mod client;
mod command_line;
mod compaction;
mod complaints;
mod connections;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod consumers;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_client_quotas;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_topic_partitions;
mod describe_user_scram_credentials;
mod dynamic_settings;
mod elect_leaders;
mod fetch;
mod fetch_sessions;
mod find_coordinator;
mod flush;
mod group_commands;
mod group_coordinators;
mod group_restarts;
mod group_scale;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod lifecycle;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod log_files;
mod members;
mod metadata;
mod metrics;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod produce_checks;
mod readme;
mod records;
mod scale;
mod settings;
mod shards;
mod stats;
mod sync_group;
mod unregister_broker;
mod update_features;
