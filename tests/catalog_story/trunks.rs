//! Trunks: what is dialled, and how the store's carriers become routes.

use tollgate::catalog::admin::trunks::TrunkSpec;
use tollgate::catalog::lcr;

use crate::database::story;
use crate::world::{World, money, number};

const PHONE: &str = "4930123456";

story!(carriers_are_offered_cheapest_first_in_the_wallets_currency, database => {
    let world = World::new(database);
    world.fx("USD", "0.5", world.now()).await;
    world.import("dear", "49,0.02\n").await;
    world.import_in("dollars", "4,0.001\n49,0.03\n", "USD").await.unwrap();
    world.import("elsewhere", "44,0.001\n").await;
    for (name, tariff) in [("a", "dear"), ("b", "dollars"), ("c", "elsewhere")] {
        world.trunk(&TrunkSpec::new(name, &format!("carrier-{name}"), tariff)).await.unwrap();
    }
    let catalog = world.catalog().await;
    let routes = lcr::routes(&catalog.snapshot(), number(PHONE), world.now(), 3, 0, |_, _| true);
    let names: Vec<&str> = routes.iter().map(|route| route.trunk.name.as_str()).collect();
    assert_eq!(names, ["b", "a"], "each by its own longest prefix; 0.03 dollars are 0.015 euros");
    assert_eq!(routes[0].rate.price_per_minute(world.now()), money("0.015"));
    assert_eq!((routes[0].trunk.currency.as_str(), routes[0].trunk.fx_rate.as_deref()), ("USD", Some("0.5")));
    assert_eq!((routes[1].trunk.currency.as_str(), routes[1].trunk.fx_rate.as_deref()), ("EUR", None));
});

story!(a_route_that_was_granted_is_bought_at_its_own_version, database => {
    let world = World::new(database);
    world.fx("USD", "0.5", world.now()).await;
    world.import_in("buy", "49,0.02\n", "USD").await.unwrap();
    let trunk = world.trunk(&TrunkSpec::new("a", "carrier-a", "buy")).await.unwrap();
    let catalog = world.catalog().await;
    let granted = catalog.snapshot().trunk(trunk.trunk_id).unwrap().tariff_version_id;
    world.import_in("buy", "49,0.08\n", "USD").await.unwrap();
    world.fx("USD", "1", world.now()).await;
    catalog.refresh().await.unwrap();
    for catalog in [catalog, world.catalog().await] {
        let route = catalog.route_at_version(trunk.trunk_id, granted, number(PHONE), world.now()).await.unwrap();
        assert_eq!(route.rate.price_per_minute(world.now()), money("0.01"));
        assert_eq!((route.trunk.tariff_version_id, route.trunk.fx_rate.as_deref()), (granted, Some("0.5")));
        let current = catalog.snapshot().trunk(trunk.trunk_id).unwrap().tariff_version_id;
        let route = catalog.route_at_version(trunk.trunk_id, current, number(PHONE), world.now()).await.unwrap();
        assert_eq!(route.rate.price_per_minute(world.now()), money("0.08"));
        assert!(catalog.route_at_version(77, current, number(PHONE), world.now()).await.is_err());
    }
});

story!(calls_on_a_trunk_are_counted_across_changes_of_the_catalog, database => {
    let world = World::new(database);
    world.import("buy", "49,0.02\n").await;
    world.trunk(&TrunkSpec { max_calls: Some(1), ..TrunkSpec::new("a", "carrier-a", "buy") }).await.unwrap();
    let catalog = world.catalog().await;
    let offered = || lcr::routes(&catalog.snapshot(), number(PHONE), world.now(), 3, 0, |_, _| true).len();
    assert_eq!(offered(), 1);
    let call = catalog.snapshot().trunks()[0].try_occupy().unwrap();
    assert_eq!(offered(), 0);
    world.import("buy", "49,0.03\n").await;
    catalog.refresh().await.unwrap();
    assert_eq!(offered(), 0, "the call is still on it");
    assert!(catalog.snapshot().trunks()[0].try_occupy().is_none());
    drop(call);
    assert_eq!(offered(), 1);
});

story!(what_could_break_out_of_a_dial_string_is_refused, database => {
    let world = World::new(database);
    world.import("buy", "49,0.02\n").await;
    let refused = async |change: &dyn Fn(&mut TrunkSpec)| {
        let mut spec = TrunkSpec::new("a", "carrier-a", "buy");
        change(&mut spec);
        world.trunk(&spec).await.unwrap_err().code()
    };
    for bad in ["a&PJSIP/b", "a,b", "a b", "a/b", "a@b", "${X}", "", "a\n", "\"", "a|b"] {
        assert_eq!(refused(&|spec| bad.clone_into(&mut spec.endpoint)).await, "invalid", "{bad:?}");
        assert_eq!(refused(&|spec| spec.host = Some(bad.to_owned())).await, "invalid", "{bad:?}");
        assert_eq!(refused(&|spec| bad.clone_into(&mut spec.name)).await, "invalid", "{bad:?}");
    }
    assert_eq!(refused(&|spec| "0a".clone_into(&mut spec.strip)).await, "invalid");
    assert_eq!(refused(&|spec| "#".clone_into(&mut spec.prepend)).await, "invalid");
    assert_eq!(refused(&|spec| spec.weight = 0).await, "invalid");
    assert_eq!(refused(&|spec| "nowhere".clone_into(&mut spec.tariff)).await, "not_found");
    let spec = TrunkSpec { host: Some("sip.example.net:5061;transport=tls".to_owned()), ..TrunkSpec::new("a", "c", "buy") };
    world.trunk(&spec).await.unwrap();
    assert_eq!(world.trunk(&spec).await.unwrap_err().code(), "exists");
});
