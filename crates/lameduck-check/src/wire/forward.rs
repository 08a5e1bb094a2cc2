//! Streams that are one of several others, or have one within: what is read and written is that one's.

/// Reads from and writes to what `$to` makes of the stream: whichever of the patterns it is, as `$stream`.
macro_rules! forward_io {
    ($name:ty: $it:ident => $to:expr, $stream:ident in $($pattern:pat),+) => {
        impl tokio::io::AsyncRead for $name {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                let $it = self.get_mut();
                match $to {
                    $($pattern => std::pin::Pin::new($stream).poll_read(cx, buf),)+
                }
            }
        }

        impl tokio::io::AsyncWrite for $name {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                let $it = self.get_mut();
                match $to {
                    $($pattern => std::pin::Pin::new($stream).poll_write(cx, buf),)+
                }
            }

            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                let $it = self.get_mut();
                match $to {
                    $($pattern => std::pin::Pin::new($stream).poll_flush(cx),)+
                }
            }

            fn poll_shutdown(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                let $it = self.get_mut();
                match $to {
                    $($pattern => std::pin::Pin::new($stream).poll_shutdown(cx),)+
                }
            }
        }
    };
}
pub(super) use forward_io;
