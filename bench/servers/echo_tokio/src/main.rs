// A peer of echo_server: the same service in tasks of tokio, on one thread.
use std::env;
use std::io::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn serve(mut client: TcpStream) -> Result<()> {
    client.set_nodelay(true)?;
    let mut bytes = vec![0u8; 16384];
    loop {
        let n = client.read(&mut bytes).await?;
        if n == 0 {
            return Ok(());
        }
        client.write_all(&bytes[..n]).await?;
    }
}

async fn accept_clients(port: u16) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (client, _) = listener.accept().await?;
        tokio::spawn(serve(client));
    }
}

fn main() -> Result<()> {
    let port = env::args().nth(1).expect("usage: echo_tokio PORT");
    let port = port.parse().expect("a port is a number");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(accept_clients(port))
}
