-- Fine-tuning jobs. Times are milliseconds since 1970, UTC. position orders rows as they came.
create table tuning_job (
    id               varchar(64) primary key,
    position         bigint generated always as identity,
    created_at       bigint       not null,
    finished_at      bigint,
    state            varchar(32)  not null,
    priority         integer      not null,
    base_digest      varchar(128) not null,
    base_model       varchar(256) not null,
    request          text         not null, -- the body of the creation, with the seed
    plan             text,                  -- resolved numbers, once the files are read
    trained_tokens   bigint       not null default 0,
    steps_done       integer      not null default 0,
    estimated_finish bigint,
    fine_tuned_model varchar(512),
    result_file      varchar(64),
    error_code       varchar(64),
    error_message    text,
    error_param      varchar(128)
);
create index tuning_job_position on tuning_job (position);
create index tuning_job_turn on tuning_job (state, priority, position);

create table tuning_metadata (
    job_id varchar(64)  not null references tuning_job (id),
    name   varchar(64)  not null,
    content varchar(512) not null,
    primary key (job_id, name)
);

create table tuning_event (
    id         varchar(128) primary key,
    position   bigint generated always as identity,
    job_id     varchar(64) not null references tuning_job (id),
    created_at bigint      not null,
    level      varchar(8)  not null,
    kind       varchar(16) not null,
    message    text        not null,
    content    text
);
create index tuning_event_job on tuning_event (job_id, position);

create table tuning_checkpoint (
    id         varchar(128) primary key,
    job_id     varchar(64)  not null references tuning_job (id),
    created_at bigint       not null,
    step       integer      not null,
    model      varchar(512) not null,
    metrics    text         not null,
    unique (job_id, step)
);

-- A row per step; a step that is run again after a crash replaces its row.
create table tuning_metric (
    job_id          varchar(64) not null references tuning_job (id),
    step            integer     not null,
    train_loss      double precision,
    train_accuracy  double precision,
    valid_loss      double precision,
    valid_accuracy  double precision,
    full_loss       double precision,
    full_accuracy   double precision,
    learning_rate   double precision,
    gradient_norm   double precision,
    primary key (job_id, step)
);
