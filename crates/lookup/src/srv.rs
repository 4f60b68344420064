//! The order of SRV records (RFC 2782, "Usage rules").

use offhook_sansio::Entropy;

/// A host that gives a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SrvHost {
    pub(crate) priority: u16,
    pub(crate) weight: u16,
    pub(crate) port: u16,
    pub(crate) host: String,
}

/// Puts hosts in the order in which to try them: by priority, and by chance in proportion to their weights within one.
pub(crate) fn order(mut hosts: Vec<SrvHost>, entropy: &mut Entropy) -> Vec<SrvHost> {
    // Weight 0 comes first in a priority, which gives it its small chance.
    hosts.sort_by_key(|host| (host.priority, host.weight));
    let mut ordered = Vec::with_capacity(hosts.len());
    while let Some(first) = hosts.first() {
        let equals = hosts.partition_point(|host| host.priority == first.priority);
        let total: u32 = hosts[..equals].iter().map(|host| u32::from(host.weight)).sum();
        let drawn = entropy.below(total + 1);
        let mut sum = 0;
        let chosen = hosts[..equals].iter().position(|host| {
            sum += u32::from(host.weight);
            sum >= drawn
        });
        ordered.push(hosts.remove(chosen.unwrap_or_default()));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNS: usize = 20_000;

    fn host(priority: u16, weight: u16) -> SrvHost {
        SrvHost {
            priority,
            weight,
            port: 5060,
            host: format!("p{priority}w{weight}"),
        }
    }

    #[test]
    fn lower_priorities_come_first_whatever_the_weights() {
        let mut entropy = Entropy::from_number(3);
        for _ in 0..100 {
            let hosts = vec![host(20, 65_535), host(10, 0), host(30, 7), host(10, 1)];
            let ordered = order(hosts, &mut entropy);
            let priorities: Vec<_> = ordered.iter().map(|host| host.priority).collect();
            assert_eq!(priorities, [10, 10, 20, 30]);
        }
    }

    #[test]
    fn each_host_comes_first_in_proportion_to_its_weight() {
        let mut entropy = Entropy::from_number(4);
        let mut first = [0; 3];
        for _ in 0..RUNS {
            let weights = [60, 30, 10];
            let hosts = weights.iter().map(|weight| host(1, *weight)).collect();
            let winner = order(hosts, &mut entropy).swap_remove(0).weight;
            first[weights.iter().position(|weight| *weight == winner).unwrap()] += 1;
        }
        for (count, share) in first.into_iter().zip([0.6, 0.3, 0.1]) {
            let measured = f64::from(count) / RUNS as f64;
            assert!((measured - share).abs() < 0.02, "{measured} instead of {share}");
        }
    }

    #[test]
    fn weight_zero_is_chosen_seldom_but_not_never() {
        let mut entropy = Entropy::from_number(5);
        let zero_first = (0..10_000)
            .filter(|_| order(vec![host(1, 9), host(1, 0)], &mut entropy)[0].weight == 0)
            .count();
        assert!((500..2_000).contains(&zero_first), "{zero_first}");
    }
}
