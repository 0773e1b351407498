//! What the server and its compiler say to each other: jobs on standard input, answers on standard output. Both are the
//! same program, so there is one version of it.

use std::io::{self, Read, Write};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The largest answer, in bytes: the server holds it all, and a component that needs more is not compiled.
pub const MAX_ANSWER: usize = 256 << 20;

/// The compiled form, or what is wrong with the component.
pub type Answer = Result<Vec<u8>, String>;

/// What comes before the component's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobHead {
    /// How many bytes of memory the job may take.
    pub memory: u64,
    /// The length of the component, in bytes.
    pub length: u64,
}

/// Sends a job.
pub async fn send_job(
    mut to: impl AsyncWrite + Unpin,
    head: JobHead,
    component: &[u8],
) -> io::Result<()> {
    to.write_all(&head.memory.to_le_bytes()).await?;
    to.write_all(&head.length.to_le_bytes()).await?;
    to.write_all(component).await?;
    to.flush().await
}

/// The head of the next job. `None`: there are no more.
pub fn read_job_head(mut from: impl Read) -> io::Result<Option<JobHead>> {
    let mut memory = [0; 8];
    match from.read_exact(&mut memory) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    Ok(Some(JobHead {
        memory: u64::from_le_bytes(memory),
        length: u64::from_le_bytes(length),
    }))
}

/// Sends an answer.
pub fn write_answer(mut to: impl Write, answer: &Answer) -> io::Result<()> {
    let (is_code, bytes) = match answer {
        Ok(code) => (1, &code[..]),
        Err(reason) => (0, reason.as_bytes()),
    };
    to.write_all(&[is_code])?;
    to.write_all(&(bytes.len() as u64).to_le_bytes())?;
    to.write_all(bytes)?;
    to.flush()
}

/// The answer to a job.
pub async fn receive_answer(mut from: impl AsyncRead + Unpin) -> io::Result<Answer> {
    let is_code = from.read_u8().await? == 1;
    let length = from.read_u64_le().await?;
    let length = usize::try_from(length).map_err(io::Error::other)?;
    if length > MAX_ANSWER {
        return Err(io::Error::other("an answer that is too long"));
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes).await?;
    Ok(match is_code {
        true => Ok(bytes),
        false => Err(String::from_utf8_lossy(&bytes).into_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn jobs_and_answers_arrive_as_they_were_sent() {
        let head = JobHead {
            memory: 1 << 40,
            length: 3,
        };
        let mut sent = Vec::new();
        send_job(&mut sent, head, b"abc").await.unwrap();
        let mut rest = &sent[..];
        assert_eq!(read_job_head(&mut rest).unwrap(), Some(head));
        assert_eq!(rest, b"abc");
        assert_eq!(read_job_head(&b""[..]).unwrap(), None);
        assert!(read_job_head(&sent[..12]).is_err());
        for answer in [Ok(vec![0; 70_000]), Err("no".to_owned())] {
            let mut sent = Vec::new();
            write_answer(&mut sent, &answer).unwrap();
            assert_eq!(receive_answer(&sent[..]).await.unwrap(), answer);
            assert!(receive_answer(&sent[..sent.len() - 1]).await.is_err());
        }
    }
}
