//! The statements, each for any queue and named after the promise that it is about.

pub mod answers;
pub mod crashes;
pub mod done;
pub mod gone_back;
pub mod leases;
pub mod starved;
pub mod stopped;
pub mod unreachable;

/// A test for each statement about workers.
macro_rules! workers {
    ($server:ty) => {
        $crate::statements::tests! { $server:
            done::jobs_accounted_done_once_each
            done::jobs_accounted_acknowledged_only_after_success
            done::jobs_accounted_a_failed_one_comes_again
            leases::jobs_accounted_and_its_lease_kept_however_long_it_runs
            leases::jobs_accounted_and_none_handed_out_twice_by_a_busy_worker
            gone_back::jobs_accounted_let_go_ones_start_elsewhere_within_a_second
            gone_back::jobs_accounted_ones_that_give_themselves_back_start_elsewhere_within_a_second
            crashes::jobs_accounted_when_a_worker_crashes
            answers::jobs_accounted_when_the_answer_to_a_fetch_is_lost
            answers::jobs_accounted_when_the_answer_to_the_last_fetch_is_lost
            answers::jobs_accounted_when_the_answers_about_what_has_ended_are_lost
            answers::jobs_accounted_when_a_word_about_an_earlier_attempt_comes_late
            stopped::jobs_accounted_when_a_worker_is_stopped_for_longer_than_its_lease
        }
    };
}
pub(crate) use workers;

/// A test for each statement about servers at the other end of a network.
macro_rules! networks {
    ($server:ty) => {
        $crate::statements::tests! { $server:
            unreachable::jobs_accounted_when_the_server_cannot_be_reached
        }
    };
}
pub(crate) use networks;

/// A test for each statement about an application's pool of connections.
macro_rules! pools {
    ($server:ty) => {
        $crate::statements::tests! { $server:
            starved::jobs_accounted_and_their_leases_kept_without_a_connection_to_be_had
            starved::jobs_accounted_let_go_ones_start_elsewhere_without_a_connection_to_be_had
        }
    };
}
pub(crate) use pools;

/// A test for each statement about a server that is killed.
macro_rules! killed_servers {
    ($server:ty) => {
        $crate::statements::tests! { $server:
            crashes::jobs_accounted_when_the_server_is_killed_and_comes_back
            crashes::stuck_told_in_time_when_the_server_does_not_come_back
        }
    };
}
pub(crate) use killed_servers;

macro_rules! tests {
    ($server:ty: $($room:ident::$name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                $crate::statements::$room::$name::<$server>().await;
            }
        )*
    };
}
pub(crate) use tests;
