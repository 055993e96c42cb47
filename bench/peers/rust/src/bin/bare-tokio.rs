//! The bare WebSocket echo on tokio.
#![forbid(unsafe_code)]

use sockjs_bench_peers::Echo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    sockjs_bench_peers::end_with_input();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(stream));
    }
}

async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut echo, mut output) = (Echo::default(), Vec::new());
    loop {
        let count = stream.read(echo.room()).await?;
        let Ok(stays) = echo.turn(count, &mut output) else { return Ok(()) };
        stream.write_all(&output).await?;
        output.clear();
        if !stays {
            return Ok(());
        }
    }
}
