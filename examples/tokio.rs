//! In an asynchronous program: calls block, so they run on tokio's threads for blocking work.
//! A handle is cheap to clone, one for each task.
//!
//! `cargo run --example tokio`

use siltstone::{Database, Options, Result};
use std::time::Duration;

/// Runs `work` where it may block.
async fn blocking<T: Send + 'static>(
    database: &Database,
    work: impl FnOnce(Database) -> Result<T> + Send + 'static,
) -> Result<T> {
    let database = database.clone();
    let done = tokio::task::spawn_blocking(move || work(database)).await;
    done.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()))
}

/// What a server would do for each of its clients.
async fn serve(database: Database, client: u32) -> Result<()> {
    for visit in 1..=20_u32 {
        // A whole transaction in one piece: nothing is held open across an `await`.
        blocking(&database, move |database| {
            database.write(|transaction| {
                transaction.insert(format!("client/{client}"), visit.to_string())?;
                let total = transaction.get("total")?.unwrap_or_default();
                let total = String::from_utf8_lossy(&total).parse().unwrap_or(0_u32) + 1;
                transaction.insert("total", total.to_string())
            })
        })
        .await?;
    }
    Ok(())
}

async fn run(database: Database) -> Result<()> {
    let clients: Vec<_> =
        (0..10).map(|client| tokio::spawn(serve(database.clone(), client))).collect();
    for client in clients {
        client.await.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()))?;
    }
    let total = blocking(&database, |database| database.get("total")).await?;
    println!("visits: {}", String::from_utf8_lossy(&total.clone().unwrap_or_default()));
    assert_eq!(total, Some(b"200".to_vec()));
    let clients = blocking(&database, |database| Ok(database.prefix("client/")?.count())).await?;
    assert_eq!(clients, 10);
    blocking(&database, Database::close).await
}

fn main() -> Result<()> {
    let name = format!("siltstone-tokio-{}.lsm", std::process::id());
    let path = std::env::temp_dir().join(name);
    // Writers take turns: each waits for those before it.
    let database = Options::new().busy_timeout(Duration::from_secs(30)).open(&path)?;
    match tokio::runtime::Builder::new_current_thread().build() {
        Ok(runtime) => runtime.block_on(run(database))?,
        Err(error) => eprintln!("no runtime: {error}"),
    }
    let _ = std::fs::remove_file(path);
    Ok(())
}
